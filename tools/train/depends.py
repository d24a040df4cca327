"""The order of a package's files: Algorithm 1 of the paper (section 2.2), imports found by ast."""

import ast
import heapq
import warnings


def module_name(path):
    parts = path.removesuffix(".py").split("/")
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def imports(text, path):
    """Names of modules that a file may mean by its imports, most specific first for each import."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = ast.parse(text)
    package = module_name(path).split(".")
    if not path.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield [alias.name]
        elif isinstance(node, ast.ImportFrom):
            up = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join(up + ([node.module] if node.module else []))
            for alias in node.names:
                yield [f"{base}.{alias.name}" if base else alias.name, base]


def dependencies(files):
    """{path: set of paths it depends on}, for files = {path: text} of one package."""
    modules = {module_name(path): path for path in files}
    found = {}
    for path, text in files.items():
        found[path] = set()
        for names in imports(text, path):
            target = next((modules[name] for name in names if name in modules), None)
            if target is not None and target != path:
                found[path].add(target)
    return found


def components(depends):
    """The disconnected subgraphs, each a sorted list of paths, in the order of their first path."""
    parent = {path: path for path in depends}

    def root(path):
        while parent[path] != path:
            parent[path] = parent[parent[path]]
            path = parent[path]
        return path

    for path, targets in depends.items():
        for target in targets:
            parent[root(path)] = root(target)
    groups = {}
    for path in sorted(depends):
        groups.setdefault(root(path), []).append(path)
    return list(groups.values())


def order(depends):
    """Lists of paths, one for each subgraph: what a file depends on comes before it.

    The file with the least in-degree that is not yet taken is next, and not only one with none
    left, so that cycles come out too; the path decides between equals.
    """
    dependents = {path: [] for path in depends}
    for path, targets in depends.items():
        for target in targets:
            dependents[target].append(path)
    results = []
    for group in components(depends):
        in_degree = {path: len(depends[path]) for path in group}
        heap = [(degree, path) for path, degree in in_degree.items()]
        heapq.heapify(heap)
        taken = []
        while heap:
            degree, path = heapq.heappop(heap)
            if in_degree[path] != degree:  # taken (None), or an entry from before a decrement
                continue
            in_degree[path] = None
            taken.append(path)
            for other in dependents[path]:
                if in_degree[other] is not None:
                    in_degree[other] -= 1
                    heapq.heappush(heap, (in_degree[other], other))
        results.append(taken)
    return results
