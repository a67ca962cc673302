"""The first process of a jail, which never runs tenant code, and the children it forks, which do."""
