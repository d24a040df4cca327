"""Where the corpus comes from: packages on PyPI and the standard library, and their licences."""

import email.parser
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

MAX_FILE_BYTES = 1 << 20

# Wheels are asked for as for this Python: the newest that the listed versions were made for. No
# code of a package is run, only its files are read.
WHEELS_FOR = "3.14"

PERMISSIVE = re.compile(r"\b(MIT|BSD|Apache|PSF|Python Software Foundation|0BSD)\b", re.I)
COPYLEFT = re.compile(
    r"\b(A?L?GPL|GNU (Lesser |Library |Affero )?General Public|MPL|Mozilla Public|EUPL|CDDL|EPL"
    r"|Eclipse Public|CeCILL|Creative Commons|CC[- ]BY|proprietary)",
    re.I,
)

# What tells the licence where a package has its text alone.
LICENCE_TEXTS = [
    ("MIT", "Permission is hereby granted, free of charge, to any person obtaining a copy"),
    ("BSD", "Redistribution and use in source and binary forms"),
]


class Unavailable(Exception):
    """A package that cannot be had or may not be used; the message says why."""


def read_list(path):
    """[(package, version, licence)] of packages.txt."""
    lines = pathlib.Path(path).read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    for row in rows:
        if len(row) != 3:
            raise SystemExit(f"{path}: '{' '.join(row)}' is not 'package version licence'")
    return rows


def is_held_out(package):
    """The rule, fixed before any training: it looks at the name alone."""
    return int(hashlib.sha256(package.encode()).hexdigest(), 16) % 20 == 0


def fetch(package, version, folder):
    """The wheel of a package, downloaded into `folder` unless it is there."""
    place = pathlib.Path(folder) / f"{package}-{version}"
    place.mkdir(parents=True, exist_ok=True)
    archives = sorted(place.glob("*.whl")) + sorted(place.glob("*.tar.gz"))
    if not archives:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary", ":all:"]
        command += ["--python-version", WHEELS_FOR, "--dest", str(place), f"{package}=={version}"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or ["pip failed"]
            raise Unavailable(lines[-1])
        archives = sorted(place.glob("*.whl"))
    if not archives:
        raise Unavailable("pip downloaded nothing")
    return archives[0]


def members(archive):
    """Yields (path, bytes or None where it is too large or unreadable, size) of an archive."""
    try:
        if str(archive).endswith(".tar.gz"):
            yield from _members_of_tar(archive)
        else:
            yield from _members_of_zip(archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        raise Unavailable(f"{archive.name} is damaged: {error}") from None


def _members_of_zip(archive):
    with zipfile.ZipFile(archive) as wheel:
        for info in sorted(wheel.infolist(), key=lambda info: info.filename):
            if info.is_dir():
                continue
            data = None
            if info.file_size <= MAX_FILE_BYTES:
                try:
                    data = wheel.read(info)
                except (zipfile.BadZipFile, OSError, RuntimeError):
                    pass
            yield info.filename, data, info.file_size


def _members_of_tar(archive):
    with tarfile.open(archive) as tar:
        for info in sorted(tar.getmembers(), key=lambda info: info.name):
            if not info.isfile():
                continue
            # The first folder of an sdist is its name and version.
            path = info.name.partition("/")[2]
            small = info.size <= MAX_FILE_BYTES
            yield path, tar.extractfile(info).read() if small else None, info.size


def folder_members(folder):
    """The same for a folder; links are not followed."""
    folder = pathlib.Path(folder)
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = pathlib.Path(base) / name
            if path.is_symlink() or not path.is_file():
                continue
            try:
                size = path.stat().st_size
                data = path.read_bytes() if size <= MAX_FILE_BYTES else None
            except OSError:
                size, data = 0, None
            yield path.relative_to(folder).as_posix(), data, size


def standard_library():
    """(version, folder) of the Python that runs this."""
    return ".".join(map(str, sys.version_info[:3])), sysconfig.get_path("stdlib")


def check_licence(files, stated):
    """(metadata's own words, copyright lines in its licences) of a package; Unavailable where the
    licence is another or none that we take.

    files: {path: bytes} of its metadata folder. `stated` is the licence in packages.txt.
    """
    texts = {path: data.decode("utf-8", "replace") for path, data in files.items()}
    metadata = [text for path, text in texts.items() if path.endswith(("/METADATA", "PKG-INFO"))]
    if not metadata:
        raise Unavailable("it has no metadata")
    headers = email.parser.HeaderParser().parsestr(metadata[0])
    words = [headers.get("License-Expression", "")]
    words += [line for line in headers.get_all("Classifier", []) if line.startswith("License")]
    if not any(words):
        words.append(headers.get("License", "")[:200])
    licences = [text for path, text in texts.items() if _is_licence(path)]
    if not any(words) and licences:
        words += [name for name, text in LICENCE_TEXTS if text in " ".join(licences[0].split())]
    said = "; ".join(" ".join(word.split()) for word in words if word)
    if not PERMISSIVE.search(said):
        raise Unavailable(f"its metadata says '{said[:80]}', which is not a licence we take")
    if COPYLEFT.search(said):
        raise Unavailable(f"its metadata says '{said[:80]}'")
    if stated.split("-")[0].lower() not in said.lower().replace("python software", "psf"):
        raise Unavailable(f"packages.txt says {stated}, its metadata '{said[:80]}'")
    return said, _copyrights(licences)


def _is_licence(path):
    name = path.rpartition("/")[2].upper()
    return name.startswith(("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS"))


# What a licence's own text says where others put the owner, and whose text a licence is.
NO_OWNER = re.compile(r"\byyyy\b|[\[<{](name|year|copyright|owner|full)|fsf\.org", re.I)


def copyright_lines(text):
    """The lines of a text that say who owns something. Where one breaks off, the next goes with
    it; where it has years alone, the names below it do."""
    lines, found = [" ".join(line.split()) for line in text.splitlines()], []
    for i, line in enumerate(lines):
        line = line.lstrip("#*/;- ")
        owner = re.match(r"(copyright|©|\(c\) ?\d)", line, re.I)
        if not owner or not re.search(r"\d{4}|©|\(c\)", line, re.I) or NO_OWNER.search(line):
            continue
        behind = [more.lstrip("#*/;- ") for more in lines[i + 1 :]]
        behind = behind[: behind.index("")] if "" in behind else behind
        if not re.search(r"[^\W\d_]{2}", re.sub(r"copyright|\bto\b|present", "", line, flags=re.I)):
            line = f"{line.rstrip(',')} {', '.join(behind)}" if behind else ""
            behind = []
        while re.search(r"(,|\b(of|the|and|by|American|University|All|rights))$", line) and behind:
            line += " " + behind.pop(0)
        if line and len(line) < 1000:
            found.append(line)
    return list(dict.fromkeys(found))


def _copyrights(licences):
    return list(dict.fromkeys(line for text in licences for line in copyright_lines(text)))
