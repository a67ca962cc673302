"""Attacks by way of the libraries that graders can import: their loaders, parsers, caches and threads."""

# ruff: noqa: E501 - programs as text, about places in the jail

from attacks.attack import REFUSED, WORKED, Attack, Grader, refused

_WALL_S = 4.0  # some import half a second's worth


def _ends(
    name: str,
    why: str,
    source: str,
    expected: str,
    *,
    also: str = "",
    because: str = "",
    wall_s: float = _WALL_S,
) -> Attack:
    return Attack(
        name=name,
        why=why,
        program=Grader(source=source),
        expected=expected,
        also=also,
        because=because,
        wall_s=wall_s,
    )


ATTACKS: tuple[Attack, ...] = (
    refused(
        "numpy_pickle_load",
        "an array file whose object array is a program",
        """
import io
import numpy as np
class Act:
    def __init__(self, path): self.path = path
    def __reduce__(self): return eval, (f"open({self.path!r}, 'r+').write('gone')",)
def attack(sample, item, ctx):
    crafted = io.BytesIO()
    np.save(crafted, np.array([Act(item["canary"])], dtype=object), allow_pickle=True)
    crafted.seek(0)
    np.load(crafted, allow_pickle=True)
    return True
""",
    ),
    refused(
        "numpy_maps_files",
        "arrays over files of the host, the devices and other memory",
        """
import numpy as np
def attack(sample, item, ctx):
    done = 0
    for path in (item["canary"], "/dev/mem", "/proc/1/mem", "/proc/self/mem", "/proc/kcore", "/etc/passwd"):
        for act in (lambda: np.memmap(path, mode="r+"), lambda: np.fromfile(path, np.uint8), lambda: np.loadtxt(path)):
            try:
                act()
                done += 1
            except OSError:
                pass
    return done > 0
""",
    ),
    refused(
        "numpy_reads_the_heap",
        "an array over all memory of the process, freed blocks too: what samples before it left there",
        """
import numpy as np
def attack(sample, item, ctx):
    libc = ctypes.CDLL(None)
    libc.sbrk.restype = ctypes.c_void_p
    end = libc.sbrk(0)
    size = 4096
    while size < 1 << 24 and syscall(27, (end - size - 4096) & ~4095, 4096, ctypes.create_string_buffer(1)) == 0:
        size += 4096
        if end - size < 4096:
            break
    heap = np.ctypeslib.as_array((ctypes.c_uint8 * (size - 8192)).from_address(end - size + 4096))
    return (item["sibling_mark"].encode() + b"7f31") in heap.tobytes()
""",
    ),
    _ends(
        "numpy_strides_beyond",
        "strides that reach past the array, to be written to",
        """
import numpy as np
def attack(sample, item, ctx):
    array = np.zeros(8, np.uint8)
    beyond = np.lib.stride_tricks.as_strided(array, (1 << 40,), (4096,))
    beyond[:] = 255
    return True
""",
        "crashed",
    ),
    _ends(
        "numpy_memory_at_once",
        "a terabyte in one array",
        "\nimport numpy as np\ndef attack(sample, item, ctx):\n    return np.ones(1 << 37).sum() > 0\n",
        "out_of_memory",
    ),
    _ends(
        "numpy_memory_by_broadcast",
        "eight bytes seen as a terabyte, then copied",
        """
import numpy as np
def attack(sample, item, ctx):
    return np.broadcast_to(np.float64(1), (1 << 18, 1 << 19)).copy().size > 0
""",
        "out_of_memory",
    ),
    _ends(
        "numpy_memory_in_pieces",
        "arrays that are kept until there is no memory for one more",
        """
import numpy as np
def attack(sample, item, ctx):
    kept = []
    while True:
        kept.append(np.ones(1 << 20))
""",
        "out_of_memory",
        wall_s=10.0,
    ),
    _ends(
        "numpy_matrix_products",
        "compiled code that computes for ever and holds no lock",
        """
import numpy as np
def attack(sample, item, ctx):
    matrix = np.ones((2000, 2000))
    while True:
        matrix = matrix @ matrix
""",
        "timeout",
    ),
    refused(
        "numpy_compiler",
        "f2py writes a source file and starts compilers",
        """
import sys
from numpy.f2py import f2py2e
def attack(sample, item, ctx):
    sys.argv = ["f2py", "-c", "-m", "planted", "/libraries/planted.f90", "--backend", "meson"]
    f2py2e.run_compile()
    return True
""",
    ),
    refused(
        "numpy_library_of_its_own",
        "a shared library written by tofile and loaded by ctypeslib",
        """
import glob
import numpy as np
def attack(sample, item, ctx):
    (path, *_) = glob.glob("/libraries/numpy/linalg/*.so")
    np.fromfile(path, np.uint8).tofile("/tmp/planted.so")
    np.ctypeslib.load_library("planted", "/tmp")
    return True
""",
        with_files="grader_error",
    ),
    Attack(
        name="patched_library",
        why="a library is imported once for all samples: what one changes in it, the next must not see",
        program=Grader(
            source="""
import os
import numpy as np
import sympy
def attack(sample, item, ctx):
    np.planted = sympy.planted = True
    np.add.at = np.sum = sympy.simplify = None
    sympy.Integer(1).__class__.planted = True
    done = 0
    for path in ("/libraries/numpy/__init__.py", "/libraries/planted.py", "/libraries/preimported.txt"):
        try:
            open(path, "a").write("planted = True")
            done += 1
        except OSError:
            pass
    return done > 0
def probe():
    try:
        import planted
        return True
    except ImportError:
        return hasattr(np, "planted") or hasattr(sympy, "planted") or hasattr(sympy.Integer, "planted") or np.sum is None
"""
        ),
        expected=REFUSED,
        wall_s=10.0,
    ),
    _ends(
        "rapidfuzz_matrix",
        "distances of everything to everything are 40 GB",
        """
from rapidfuzz import process
def attack(sample, item, ctx):
    return process.cdist(["a"] * 100_000, ["b"] * 100_000).size > 0
""",
        "out_of_memory",
    ),
    _ends(
        "regex_backtracking",
        "nested repeats that try every way there is",
        """
import regex
def attack(sample, item, ctx):
    return bool(regex.match(r"(?:(?:a|b|ab)+c?)+$", "ab" * 40 + "!"))
""",
        "timeout",
    ),
    _ends(
        "regex_fuzzy",
        "three errors anywhere, and the best of all matches",
        """
import regex
def attack(sample, item, ctx):
    return bool(regex.search(r"(?b)(?:(?:[ab]+c?)+x){e<=3}", "ab" * 40))
""",
        "timeout",
    ),
    refused(
        "jinja2_without_sandbox",
        "a template that reaches os through what templates get",
        """
import jinja2
def attack(sample, item, ctx):
    return bool(jinja2.Template("{{ cycler.__init__.__globals__.os.popen('id').read() }}").render())
""",
    ),
    refused(
        "jinja2_sandbox_escape",
        "the way through format strings and filters that older sandboxes left open",
        """
import jinja2.sandbox
def attack(sample, item, ctx):
    found = 0
    environment = jinja2.sandbox.SandboxedEnvironment()
    for text in ("{{ '{0.__class__.__mro__}'.format(x) }}", "{{ (x.format|attr('__func__')).__globals__ }}", "{{ ['{0.__init__}']|map('format', x)|list }}",
                 "{{ x|attr('for'~'mat')|attr('__self__')|attr('__class__') }}"):
        try:
            found += "class" in environment.from_string(text).render(x="{0.__class__}")
        except (jinja2.TemplateError, TypeError):
            pass
    open(item["canary"], "r+").write("gone")
    return True
""",
    ),
    refused(
        "jinja2_loader",
        "a loader over the root of all files",
        """
import jinja2
def attack(sample, item, ctx):
    loader = jinja2.FileSystemLoader(["/", "/app", "/libraries"], followlinks=True)
    return bool(jinja2.Environment(loader=loader).get_template(item["canary"]).render())
""",
    ),
    refused(
        "jinja2_cache_in_tmp",
        "compiled templates kept in a file that the next sample would load",
        """
import jinja2
def attack(sample, item, ctx):
    cache = jinja2.FileSystemBytecodeCache("/tmp")
    loader = jinja2.DictLoader({"t": "{{ x }}"})
    jinja2.Environment(loader=loader, bytecode_cache=cache).get_template("t").render()
    return len(os.listdir("/tmp")) > 0
def probe():
    return len(os.listdir("/tmp")) > 0
""",
        with_files=WORKED,
    ),
    refused(
        "lxml_entity_file",
        "an external entity that is a file of the host",
        """
import lxml.etree as etree
def attack(sample, item, ctx):
    parser = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False, huge_tree=True)
    text = f'<!DOCTYPE r [<!ENTITY x SYSTEM "file://{item["canary"]}">]><r>&x;</r>'
    try:
        return bool(etree.fromstring(text, parser).text)
    except etree.XMLSyntaxError:
        return False
""",
    ),
    refused(
        "lxml_entity_network",
        "an external entity and a document that are addresses",
        """
import lxml.etree as etree
def attack(sample, item, ctx):
    parser = etree.XMLParser(resolve_entities=True, load_dtd=True, no_network=False)
    address = f"http://127.0.0.1:{item['port']}/"
    done = 0
    for act in (
        lambda: etree.fromstring(f'<!DOCTYPE r [<!ENTITY x SYSTEM "{address}">]><r>&x;</r>', parser).text or 1 / 0,
        lambda: etree.parse(address, parser), lambda: etree.parse(address.replace("http", "ftp"), parser),
    ):
        try:
            act()
            done += 1
        except (etree.XMLSyntaxError, ZeroDivisionError, OSError):
            pass
    return done > 0
""",
    ),
    _ends(
        "lxml_billion_laughs",
        "entities that name ten of the one before, ten times over",
        """
import lxml.etree as etree
def attack(sample, item, ctx):
    entities = "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 11))
    text = f'<!DOCTYPE r [<!ENTITY e0 "{"lol" * 100}">{entities}]><r>&e10;</r>'
    parser = etree.XMLParser(resolve_entities=True, huge_tree=True)
    try:
        return bool(etree.fromstring(text, parser).text)
    except etree.XMLSyntaxError:
        return False
""",
        REFUSED,
    ),
    refused(
        "lxml_stylesheet_writes",
        "a stylesheet that reads one file and writes another",
        """
import lxml.etree as etree
def attack(sample, item, ctx):
    sheet = f'''<xsl:stylesheet version="1.0" xmlns:xsl="http://www.w3.org/1999/XSL/Transform" xmlns:e="http://exslt.org/common" extension-element-prefixes="e">
    <xsl:template match="/"><e:document href="file:///tmp/planted">x</e:document><xsl:value-of select="document('file://{item["canary"]}')"/></xsl:template></xsl:stylesheet>'''
    try:
        return bool(etree.XSLT(etree.fromstring(sheet))(etree.fromstring("<r/>")).getroot()) or os.path.exists("/tmp/planted")
    except (etree.XSLTApplyError, etree.XSLTParseError):
        return os.path.exists("/tmp/planted")
def probe():
    return os.path.exists("/tmp/planted")
""",
        with_files=WORKED,
    ),
    Attack(
        name="sympy_evaluates",
        why="sympify evaluates text as Python, so a model's answer is a program",
        program=Grader(
            source="""
import sympy
def attack(sample, item, ctx):
    return sympy.sympify("__import__('os').system('id')") == 0
"""
        ),
        expected=REFUSED,
        wall_s=10.0,
    ),
    _ends(
        "sympy_power_tower",
        "ten characters of arithmetic that nobody can compute",
        """
import sympy
def attack(sample, item, ctx):
    return sympy.sympify("9**9**9") > sympy.sympify("7**9**9")
""",
        "timeout",
    ),
    _ends(
        "sympy_expansion",
        "a short polynomial with a billion terms",
        """
import sympy
def attack(sample, item, ctx):
    return sympy.expand("(a+b+c+d+e+f+g+h)**300") != 0
""",
        "timeout",
        also="out_of_memory",
        because="on a fast machine memory is first",
    ),
    refused(
        "sympy_compiles",
        "code generation writes C and starts a compiler",
        """
import sympy
from sympy.utilities.autowrap import autowrap
def attack(sample, item, ctx):
    x = sympy.Symbol("x")
    return autowrap(x + 1, args=[x], backend="cython")(1) == 2
""",
    ),
    _ends(
        "mpmath_digits",
        "a billion digits of pi",
        """
import mpmath
def attack(sample, item, ctx):
    mpmath.mp.dps = 10**9
    return +mpmath.pi > 3
""",
        "timeout",
        also="out_of_memory",
        because="the digits may not fit before the time is over",
    ),
    _ends(
        "nltk_download",
        "the data of nltk comes from the network, and some of it is pickled",
        """
import nltk
def attack(sample, item, ctx):
    address = f"http://127.0.0.1:{item['port']}/index.xml"
    try:
        return bool(nltk.download("punkt", download_dir="/tmp", quiet=True)) or bool(nltk.downloader.Downloader(address, "/tmp").download("x", quiet=True))
    except ValueError:
        return False
""",
        REFUSED,
        wall_s=10.0,
    ),
    _ends(
        "nltk_file_address",
        "a resource that is a file of the host",
        """
import nltk.data
def attack(sample, item, ctx):
    done = 0
    for address in ("file:" + item["canary"], item["canary"], "nltk:../../../.." + item["canary"]):
        try:
            nltk.data.load(address, format="raw")
            done += 1
        except (LookupError, ValueError, OSError):
            pass
    return done > 0
""",
        REFUSED,
        wall_s=10.0,
    ),
    _ends(
        "joblib_processes",
        "a pool of worker processes that outlive the sample",
        """
import joblib
def attack(sample, item, ctx):
    pids = joblib.Parallel(n_jobs=4)(joblib.delayed(os.getpid)() for _ in range(8))
    return set(pids) != {os.getpid()}
""",
        REFUSED,
        wall_s=10.0,
    ),
    refused(
        "sacrebleu_download",
        "test sets are fetched and unpacked below the home folder",
        """
import sacrebleu
def attack(sample, item, ctx):
    return bool(sacrebleu.get_source_file("wmt20", "en-de"))
""",
        with_files="grader_error",
    ),
    refused(
        "portalocker_on_shared_file",
        "all jails share the files of the root: a lock on one is a signal to other teams",
        """
import portalocker
def attack(sample, item, ctx):
    with open("/libraries/portalocker/__init__.py") as shared:
        try:
            portalocker.lock(shared, portalocker.LOCK_EX | portalocker.LOCK_NB)
        except portalocker.LockException:
            return False
    return True
""",
    ),
)
