"""Reads a Fedora message package: its message classes, their JSON Schemas, what their properties
say, and dictionaries of its tests. The sources are parsed with `ast`; nothing of them is imported
or run. Prints one JSON object."""

import ast
import io
import json
import os
import re
import string
import sys
import tarfile
import zipfile

DEPTH_MAX = 60
SAMPLES_MAX = 2000
FILE_BYTES_MAX = 4 << 20


class Unread(Exception):
    """What this reader does not understand."""


def sources(path):
    """Name to text, of a directory, a wheel or a source archive."""
    wanted = (".py", "entry_points.txt", "pyproject.toml", "setup.cfg", "METADATA", "PKG-INFO")
    if os.path.isdir(path):
        for folder, folders, files in os.walk(path):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in files:
                full = os.path.join(folder, name)
                if name.endswith(wanted) and os.path.getsize(full) <= FILE_BYTES_MAX:
                    with open(full, "rb") as file:
                        yield os.path.relpath(full, path), file.read()
    elif zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(wanted) and info.file_size <= FILE_BYTES_MAX:
                    yield info.filename, archive.read(info)
    elif tarfile.is_tarfile(path):
        with tarfile.open(path) as archive:
            for info in archive:
                if info.isfile() and info.name.endswith(wanted) and info.size <= FILE_BYTES_MAX:
                    yield info.name, archive.extractfile(info).read()
    else:
        with open(path, "rb") as file:
            yield os.path.basename(path), file.read()


class Package:
    def __init__(self):
        self.constants = {}
        self.functions = {}
        self.classes = {}
        self.samples = []
        self.entries = {}
        self.distribution = None

    def add(self, name, text):
        if not name.endswith(".py"):
            return self.metadata(name, text)
        try:
            tree = ast.parse(text)
        except SyntaxError as error:
            print(f"{name}: {error}", file=sys.stderr)
            return
        if name.endswith("setup.py"):
            self.metadata(name, text)
        is_test = "test" in name.lower()
        for node in tree.body:
            target = assigned(node)
            if target and not is_test:
                self.constants.setdefault(target, node.value)
            elif isinstance(node, ast.FunctionDef) and not is_test:
                self.functions.setdefault(node.name, node)
            elif isinstance(node, ast.ClassDef) and not is_test:
                self.classes.setdefault(node.name, Class(node, name))
        if is_test or "sample" in name.lower():
            self.gather(tree)

    def metadata(self, name, text):
        for match in re.finditer(r"^Name: *(\S+)", text, re.M) if "PKG" in name or "META" in name else []:
            self.distribution = match.group(1)
        if name.endswith(("pyproject.toml", "setup.cfg", "setup.py")) and not self.distribution:
            match = re.search(r"""\bname\s*=\s*["']?([\w.-]+)""", text)
            self.distribution = match and match.group(1)
        if "fedora.messages" in text:
            text = text[text.index("fedora.messages"):]
            entry = r"""["']?([\w.\-]+)["']?\s*=\s*["']?([\w.]+):(\w+)"""
            for match in re.finditer(entry, text):
                self.entries.setdefault(match.group(3), match.group(1))

    def gather(self, tree):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict) and len(self.samples) < SAMPLES_MAX:
                try:
                    value = self.value(node, {}, 0)
                    json.dumps(value)
                except (Unread, TypeError, ValueError):
                    continue
                if value:
                    self.samples.append(value)

    def chain(self, name, depth=0):
        """A class and those it is made of, the nearest first."""
        found = self.classes.get(name)
        if found is None or depth > 20:
            return []
        chain = [found]
        for base in found.bases:
            chain += self.chain(base, depth + 1)
        return chain

    def member(self, name, attribute):
        for one in self.chain(name):
            if attribute in one.members:
                return one, one.members[attribute]
        return None, None

    # Values: what a schema or a sample is.

    def value(self, node, scope, depth):
        if depth > DEPTH_MAX:
            raise Unread("it nests too deeply")
        again = lambda inner: self.value(inner, scope, depth + 1)
        if isinstance(node, ast.Constant):
            if isinstance(node.value, (str, int, float, bool, type(None))):
                return node.value
        elif isinstance(node, ast.Dict):
            value = {}
            for key, inner in zip(node.keys, node.values):
                if key is None:
                    value.update(again(inner))
                else:
                    value[again(key)] = again(inner)
            return value
        elif isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return [again(inner) for inner in node.elts]
        elif isinstance(node, ast.JoinedStr):
            parts = [again(p.value if isinstance(p, ast.FormattedValue) else p) for p in node.values]
            return "".join(str(part) for part in parts)
        elif isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.BitOr)):
            left, right = again(node.left), again(node.right)
            return {**left, **right} if isinstance(left, dict) else left + right
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            return -again(node.operand)
        elif isinstance(node, ast.Subscript):
            return again(node.value)[again(node.slice)]
        elif isinstance(node, ast.Name):
            if node.id in scope:
                return again(scope[node.id])
            if node.id in self.constants:
                return self.value(self.constants[node.id], {}, depth + 1)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            _, member = self.member(node.value.id, node.attr)
            if member is not None:
                return self.value(member, {}, depth + 1)
        elif isinstance(node, ast.Call):
            return self.call(node, scope, depth + 1)
        raise Unread(f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)[:80]}")

    def call(self, node, scope, depth):
        function, name = None, ast.unparse(node.func)
        if name in ("dict", "copy.deepcopy", "deepcopy", "copy.copy"):
            value = dict(self.value(node.args[0], scope, depth)) if node.args else {}
            for keyword in node.keywords:
                inner = self.value(keyword.value, scope, depth)
                value.update(inner if keyword.arg is None else {keyword.arg: inner})
            return value
        if isinstance(node.func, ast.Name):
            function = self.functions.get(node.func.id)
        elif isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
            _, function = self.member(node.func.value.id, node.func.attr)
        returned = [n for n in getattr(function, "body", []) if isinstance(n, ast.Return)]
        if len(returned) == 1 and not node.args and not node.keywords:
            local = {assigned(n): n.value for n in function.body if assigned(n)}
            return self.value(returned[0].value, local, depth)
        raise Unread(f"line {node.lineno}: {name}(…) is code")

    # Expressions: what a property says, in the words of the templates.

    def said(self, name, attribute, depth=0):
        """The expression of a property, or of an attribute; None when there is none."""
        _, member = self.member(name, attribute)
        if member is None:
            return None
        if isinstance(member, ast.FunctionDef):
            return self.body(member.body, name, {}, depth + 1)
        return self.expression(member, name, {}, depth + 1)

    def body(self, statements, name, scope, depth):
        scope = dict(scope)
        for index, statement in enumerate(statements):
            if isinstance(statement, ast.Return) and statement.value is not None:
                return self.expression(statement.value, name, scope, depth + 1)
            if assigned(statement):
                scope[assigned(statement)] = self.expression(statement.value, name, scope, depth + 1)
            elif isinstance(statement, ast.If):
                test = self.expression(statement.test, name, scope, depth + 1)
                then = self.body(statement.body, name, scope, depth + 1)
                rest = statement.orelse or statements[index + 1 :]
                return f"({then} if {test} else {self.body(rest, name, scope, depth + 1)})"
            elif not is_silent(statement):
                raise Unread(f"line {statement.lineno}: {ast.unparse(statement)[:80]}")
        raise Unread("it returns nothing")

    def expression(self, node, name, scope, depth):
        if depth > DEPTH_MAX:
            raise Unread("it nests too deeply")
        again = lambda inner: self.expression(inner, name, scope, depth + 1)
        if isinstance(node, ast.Constant):
            return constant(node.value)
        if isinstance(node, ast.Name) and node.id in scope:
            return scope[node.id]
        if isinstance(node, ast.Name) and node.id in self.constants:
            return self.expression(self.constants[node.id], name, {}, depth + 1)
        if isinstance(node, ast.Attribute) and is_self(node.value):
            if node.attr in ("body", "_body"):
                return "body"
            if node.attr == "topic":
                return "topic"
            said = self.said(name, node.attr, depth + 1)
            if said is not None:
                return said
        if isinstance(node, ast.Subscript):
            inner, key = again(node.value), node.slice
            if isinstance(key, ast.Constant):
                return f"{inner}.{key.value}" if is_word(key.value) else f"{inner}[{constant(key.value)}]"
        if isinstance(node, ast.JoinedStr):
            return joined([self.piece(part, name, scope, depth) for part in node.values])
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            is_list = isinstance(node.left, (ast.List, ast.ListComp)) or isinstance(node.right, ast.List)
            return f"({again(node.left)} {'+' if is_list else '~'} {again(node.right)})"
        if isinstance(node, ast.BoolOp):
            word = " or " if isinstance(node.op, ast.Or) else " and "
            return "(" + word.join(again(value) for value in node.values) + ")"
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return f"(not {again(node.operand)})"
        if isinstance(node, ast.IfExp):
            return f"({again(node.body)} if {again(node.test)} else {again(node.orelse)})"
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARE:
            sign = COMPARE[type(node.ops[0])]
            return f"({again(node.left)} {sign} {again(node.comparators[0])})"
        if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
            return "[" + ", ".join(again(inner) for inner in node.elts) + "]"
        if isinstance(node, (ast.ListComp, ast.SetComp)):
            return self.comprehension(node, again)
        if isinstance(node, ast.Call):
            return self.called(node, name, scope, depth)
        raise Unread(f"line {getattr(node, 'lineno', '?')}: {ast.unparse(node)[:80]}")

    def piece(self, part, name, scope, depth):
        if isinstance(part, ast.Constant):
            return constant(part.value)
        if part.format_spec is not None:
            raise Unread(f"line {part.lineno}: a format")
        return self.expression(part.value, name, scope, depth + 1)

    def comprehension(self, node, again):
        """`[user["name"] for user in users]`"""
        loop, path, inner = node.generators[0], [], node.elt
        while isinstance(inner, ast.Subscript) and isinstance(inner.slice, ast.Constant):
            path.insert(0, str(inner.slice.value))
            inner = inner.value
        plain = isinstance(loop.target, ast.Name) and isinstance(inner, ast.Name)
        if len(node.generators) == 1 and not loop.ifs and plain and inner.id == loop.target.id:
            of = f"({again(loop.iter)} or [])"
            return f"{of}|map(attribute={constant('.'.join(path))})" if path else of
        raise Unread(f"line {node.lineno}: {ast.unparse(node)[:80]}")

    def called(self, node, name, scope, depth):
        again = lambda inner: self.expression(inner, name, scope, depth + 1)
        function = node.func
        if isinstance(function, ast.Attribute):
            if function.attr == "get" and 1 <= len(node.args) <= 2:
                found = again(ast.Subscript(function.value, node.args[0]))
                if len(node.args) == 1 or again(node.args[1]) == "none":
                    return found
                return f"({found}|default({again(node.args[1])}))"
            if is_self(function.value):
                return self.method(node, name, again, depth)
            if function.attr == "format":
                return self.formatted(self.text(function.value, name), node, again)
            if function.attr == "replace" and len(node.args) == 2:
                old, new = map(again, node.args)
                return f"({again(function.value)}|replace({old}, {new}))"
            if function.attr in ("startswith", "endswith") and len(node.args) == 1:
                test = function.attr.replace("startswith", "startingwith").replace("endswith", "endingwith")
                return f"({again(function.value)} is {test}({again(node.args[0])}))"
            if function.attr == "join" and isinstance(function.value, ast.Constant):
                return f"({again(node.args[0])}|join({constant(function.value.value)}))"
            if function.attr in ("lower", "upper", "capitalize", "title", "strip") and not node.args:
                word = {"strip": "trim"}.get(function.attr, function.attr)
                return f"({again(function.value)}|{word})"
        if isinstance(function, ast.Name) and len(node.args) == 1 and not node.keywords:
            if function.id in ("str", "list", "sorted", "set", "tuple"):
                return again(node.args[0])
            if function.id == "len":
                return f"({again(node.args[0])}|length)"
        raise Unread(f"line {node.lineno}: {ast.unparse(node)[:80]}")

    def method(self, node, name, again, depth):
        """`self._name_if("rpms")`, with its arguments put in."""
        _, member = self.member(name, node.func.attr)
        if isinstance(member, ast.FunctionDef) and not node.keywords:
            names = [argument.arg for argument in member.args.args][1:]
            if len(names) == len(node.args):
                given = dict(zip(names, map(again, node.args)))
                return self.body(member.body, name, given, depth + 1)
        raise Unread(f"line {node.lineno}: {ast.unparse(node)[:80]}")

    def text(self, node, name):
        """A text that is written down somewhere."""
        if isinstance(node, ast.Attribute) and is_self(node.value):
            _, node = self.member(name, node.attr)
        value = self.value(node, {}, 0) if node is not None else None
        if not isinstance(value, str):
            raise Unread("a format that is not a text")
        return value

    def formatted(self, text, node, again):
        named = {keyword.arg: keyword.value for keyword in node.keywords}
        parts, count = [], 0
        for literal, field, spec, conversion in string.Formatter().parse(text):
            if literal:
                parts.append(constant(literal))
            if field is None:
                continue
            if spec or conversion:
                raise Unread(f"line {node.lineno}: a format")
            if field == "":
                field, count = str(count), count + 1
            value = named.get(field) or (node.args[int(field)] if field.isdigit() else None)
            if value is None:
                raise Unread(f"line {node.lineno}: {{{field}}}")
            parts.append(again(value))
        return joined(parts)

    # Messages.

    def messages(self):
        for name, found in self.classes.items():
            entry = self.entries.get(name)
            if entry is None and (self.entries or "body_schema" not in found.members):
                continue
            yield self.message(name, found, entry)

    def message(self, name, found, entry):
        message = {"class": name, "file": found.file, "entry": entry, "unread": {}}
        message["doc"] = (ast.get_docstring(found.node) or "").strip()
        scope = {key: value for key, value in found.members.items() if not isinstance(value, ast.FunctionDef)}
        for key in ("body_schema", "topic", "deprecated"):
            _, member = self.member(name, key)
            try:
                if member is not None and not isinstance(member, ast.FunctionDef):
                    message[key] = self.value(member, scope, 0)
            except (Unread, KeyError, TypeError, IndexError, RecursionError) as error:
                message["unread"][key] = str(error)
        for key in SAID:
            try:
                said = self.said(name, key)
                if said is not None:
                    message[key] = said
            except (Unread, RecursionError, ValueError, IndexError) as error:
                message["unread"][key] = str(error)
        return message


class Class:
    def __init__(self, node, file):
        self.node, self.file = node, file
        self.bases = [ast.unparse(base).split(".")[-1] for base in node.bases]
        self.members = {}
        for statement in node.body:
            if assigned(statement):
                self.members[assigned(statement)] = statement.value
            elif isinstance(statement, ast.FunctionDef):
                self.members[statement.name] = statement


def assigned(node):
    """The name that a plain assignment gives."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
        return node.targets[0].id
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
        return node.target.id
    return None


def is_silent(statement):
    """A docstring, a sort in place, `pass`."""
    if isinstance(statement, ast.Pass):
        return True
    if isinstance(statement, ast.Expr):
        value = statement.value
        is_sort = isinstance(value, ast.Call) and ast.unparse(value.func).endswith(".sort")
        return isinstance(value, ast.Constant) or is_sort
    return False


def is_self(node):
    return isinstance(node, ast.Name) and node.id == "self"


def is_word(key):
    return isinstance(key, str) and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", key) is not None


def constant(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "none"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):
        text = value.replace("\\", "\\\\").replace("'", "\\'")
        return "'" + text.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t") + "'"
    raise Unread(f"the constant {value!r}")


def joined(parts):
    return "(" + " ~ ".join(parts) + ")" if parts else "''"


COMPARE = {
    ast.Eq: "==", ast.NotEq: "!=", ast.In: "in", ast.NotIn: "not in", ast.Is: "==", ast.IsNot: "!=",
    ast.Lt: "<", ast.Gt: ">", ast.LtE: "<=", ast.GtE: ">=",
}
SAID = (
    "app_name", "app_icon", "summary", "url", "agent_name", "usernames", "packages", "groups",
    "containers", "modules", "flatpaks",
)


def main():
    package = Package()
    for name, text in sorted(sources(sys.argv[1])):
        package.add(name, text.decode("utf-8", "replace"))
    told = {
        "distribution": package.distribution,
        "messages": list(package.messages()),
        "samples": package.samples,
    }
    json.dump(told, io.TextIOWrapper(sys.stdout.buffer, "utf-8"))


sys.setrecursionlimit(5000)
main()
