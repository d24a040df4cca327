#!/usr/bin/env python3
"""Makes the corpus: the steps of section 2 of the DeepSeek-Coder paper, on Python packages.

    python corpus.py RUN_FOLDER --evaldata FOLDER

Writes into RUN_FOLDER/corpus: train.jsonl and held_out.jsonl, one file a line ({"package",
"group", "path", "text"}, in dependency order), counts.json and counts.md for the model card, and
NOTICE. Also writes held_out.txt beside this script, which is committed.
"""

import argparse
import collections
import json
import pathlib

import decontaminate
import depends
import neardup
import rules
import sources

HERE = pathlib.Path(__file__).resolve().parent

# One package must not be the corpus: of each, this much in dependency order, the files on which the
# others depend first.
MAX_PACKAGE_BYTES = 3 << 20


class Counts:
    """How many files and bytes each step took, in the order of the steps."""

    def __init__(self):
        self.gone = collections.OrderedDict()
        self.files = self.bytes = 0

    def drop(self, reason, size, files=1):
        row = self.gone.setdefault(reason, [0, 0])
        row[0] += files
        row[1] += size


def file_reason(path, data):
    """(text, None) of a file that passes every rule for single files, or (None, reason)."""
    reason = rules.path_reason(path)
    if reason:
        return None, reason
    text, reason = rules.decode(data)
    if reason:
        return None, reason
    for rule in (rules.licence_reason, rules.starcoder_reason, rules.screening_reason):
        reason = rule(text)
        if reason:
            return None, reason
    return text, None


def read_files(members, counts):
    """({path: text} of the Python files that stay, {path: bytes} of the metadata)."""
    kept, metadata = {}, {}
    for path, data, size in members:
        if ".dist-info/" in path or path.endswith("PKG-INFO"):
            metadata[path] = data or b""
        if not path.endswith(".py") or ".data/" in path:
            continue
        counts.files += 1
        counts.bytes += size
        text, reason = file_reason(path, data)
        if reason:
            counts.drop(reason, size)
        else:
            kept[path] = text
    return kept, metadata


def ordered(package, files, counts):
    """The files of one package in dependency order, as records, cut at MAX_PACKAGE_BYTES."""
    records, size = [], 0
    for group, paths in enumerate(depends.order(depends.dependencies(files))):
        for path in paths:
            text = files[path].strip("\n") + "\n"
            if size + len(text) > MAX_PACKAGE_BYTES:
                counts.drop("over the share of one package", len(text))
                continue
            size += len(text)
            records.append({"package": package, "group": group, "path": path, "text": text})
    return records


def read_package(package, version, licence, folder, counts):
    archive = sources.fetch(package, version, folder)
    own = Counts()
    files, metadata = read_files(sources.members(archive), own)
    said, copyrights = sources.check_licence(metadata, licence)
    counts.files += own.files
    counts.bytes += own.bytes
    for reason, (n, size) in own.gone.items():
        counts.drop(reason, size, n)
    if not files:
        raise sources.Unavailable("no file of it passes the rules")
    notice = {"package": package, "version": version, "licence": licence, "metadata": said}
    owners = copyrights or header_owners(package, files)
    return ordered(package, files, counts), {**notice, "copyright": owners}


def header_owners(package, files):
    """Who owns a package whose licence names nobody: what most of its files say at their top."""
    said = collections.Counter()
    for text in files.values():
        said.update(sources.copyright_lines("\n".join(text.splitlines()[: rules.HEADER_LINES])))
    common = [line for line, n in said.most_common(4) if n > 1]
    return common or [f"Copyright the authors of {package}"]


def read_standard_library(counts):
    version, folder = sources.standard_library()
    files, _ = read_files(sources.folder_members(folder), counts)
    owner = ["Copyright (c) 2001 Python Software Foundation; All Rights Reserved"]
    notice = {"package": "python", "version": version, "licence": "PSF-2.0", "copyright": owner}
    return ordered("python", files, counts), notice


def read_all(listed, folder, counts):
    packages, notices, missing = {}, [], []
    packages["python"], notice = read_standard_library(counts)
    notices.append(notice)
    for package, version, licence in listed:
        try:
            packages[package], notice = read_package(package, version, licence, folder, counts)
            notices.append(notice)
        except sources.Unavailable as error:
            print(f"{package} {version} is left out: {error}")
            missing.append(f"{package} {version}: {error}")
    return packages, notices, missing


def size_of(records):
    return sum(len(record["text"].encode()) for record in records)


def remove_duplicates(train, held_out, counts):
    """Whole packages that repeat another, and files of `train` that repeat a held-out file."""
    names = sorted(train)
    whole = [neardup.signature("".join(r["text"] for r in train[name])) for name in names]
    for name, repeats in zip(names, neardup.repeated(whole)):
        if repeats:
            gone = train.pop(name)
            counts.drop("near-duplicate package", size_of(gone), len(gone))
    references = [neardup.signature(r["text"]) for records in held_out.values() for r in records]
    for name, records in train.items():
        signatures = [neardup.signature(record["text"]) for record in records]
        repeats = neardup.duplicates_of(signatures, references)
        train[name] = keep_unless(records, repeats, "near-duplicate of held-out", counts)


def keep_unless(records, flags, reason, counts):
    for record, flag in zip(records, flags):
        if flag:
            counts.drop(reason, len(record["text"].encode()))
    return [record for record, flag in zip(records, flags) if not flag]


def write_records(path, packages):
    with open(path, "w", encoding="utf-8") as file:
        for name in sorted(packages):
            for record in packages[name]:
                file.write(json.dumps(record, ensure_ascii=False) + "\n")


def write_counts(folder, counts, sides, missing):
    rows = [("Python files in the packages", counts.files, counts.bytes)]
    rows += [(f"- {reason}", n, size) for reason, (n, size) in counts.gone.items()]
    for side, packages in sides.items():
        files = [record for records in packages.values() for record in records]
        rows.append((f"{side}, {len(packages)} packages", len(files), size_of(files)))
    lines = ["| step | files | MB |", "|---|---:|---:|"]
    lines += [f"| {label} | {n:,} | {size / 1e6:.2f} |" for label, n, size in rows]
    if missing:
        lines += ["", "Left out:", ""] + [f"- {line}" for line in missing]
    (folder / "counts.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    report = {"rows": rows, "missing": missing}
    (folder / "counts.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


def write_notice(path, notices, used):
    lines = ["The models in this folder were trained on the source code of these packages.", ""]
    for notice in sorted(notices, key=lambda notice: notice["package"]):
        if notice["package"] in used:
            lines.append(f"{notice['package']} {notice['version']} ({notice['licence']})")
            lines += [f"    {line}" for line in notice["copyright"]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=pathlib.Path, help="folder for everything that is made")
    parser.add_argument(
        "--evaldata",
        type=pathlib.Path,
        required=True,
        help="folder with human-eval/ and mbpp/, for decontamination",
    )
    parser.add_argument("--packages", type=pathlib.Path, default=HERE / "packages.txt")
    parser.add_argument("--held-out-list", type=pathlib.Path, default=HERE / "held_out.txt")
    args = parser.parse_args()
    folder = args.run / "corpus"
    folder.mkdir(parents=True, exist_ok=True)

    listed = sources.read_list(args.packages)
    held_names = [name for name, _, _ in [("python", "", "")] + listed if sources.is_held_out(name)]
    args.held_out_list.write_text("".join(f"{name}\n" for name in sorted(held_names)))

    counts = Counts()
    packages, notices, missing = read_all(listed, args.run / "downloads", counts)
    held_out = {name: packages.pop(name) for name in held_names if name in packages}
    remove_duplicates(packages, held_out, counts)
    tests = decontaminate.Contamination(decontaminate.test_strings(args.evaldata))
    for side in (packages, held_out):
        for name, records in side.items():
            flags = [tests.is_in(record["text"]) for record in records]
            side[name] = keep_unless(records, flags, "shares text with a benchmark", counts)

    write_records(folder / "train.jsonl", packages)
    write_records(folder / "held_out.jsonl", held_out)
    write_notice(folder / "NOTICE", notices, packages)
    write_counts(folder, counts, {"training": packages, "held out": held_out}, missing)


if __name__ == "__main__":
    main()
