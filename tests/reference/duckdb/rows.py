"""Prints what DuckDB reads from exports of etcdsnap: a line of JSON for each file, an array of its rows in order.

Each row is [main, sub, key, create revision, version, lease, deleted, value], key and value in Base64.
"""

import base64
import json
import sys

import duckdb

# What is no text stands in Base64: in CSV an own column says so, in JSON the column's name. An apostrophe at the start of a text, and behind a semicolon, a tab and a
# line break in it, is one more than the snapshot has, so that no spreadsheet takes what follows for a formula.
CSV = r"""
    WITH cells AS (
        SELECT *, regexp_replace("key", '(^|[;\t\r\n])''', '\1', 'g') AS k,
                  regexp_replace("value", '(^|[;\t\r\n])''', '\1', 'g') AS v
        FROM read_csv(?, header = true, types = {'key': 'VARCHAR', 'value': 'VARCHAR', 'lease': 'VARCHAR',
                                                 'key_encoding': 'VARCHAR', 'value_encoding': 'VARCHAR'})
    )
    SELECT mod_revision, sub_revision, CASE key_encoding WHEN 'base64' THEN from_base64(k) ELSE encode(k) END,
           create_revision, version, lease, deleted,
           CASE value_encoding WHEN 'base64' THEN from_base64(v) ELSE encode(coalesce(v, '')) END
    FROM cells
"""

NDJSON = """
    SELECT modRevision, subRevision, coalesce(encode("key"), from_base64(keyBase64)),
           createRevision, version, lease, coalesce(deleted, false),
           coalesce(encode("value"), from_base64(valueBase64))
    FROM read_json(?, format = 'newline_delimited',
                   columns = {'key': 'VARCHAR', 'keyBase64': 'VARCHAR', 'modRevision': 'BIGINT',
                              'subRevision': 'BIGINT', 'createRevision': 'BIGINT', 'version': 'BIGINT',
                              'lease': 'VARCHAR', 'deleted': 'BOOLEAN',
                              'value': 'VARCHAR', 'valueBase64': 'VARCHAR'})
"""

PARQUET = """
    SELECT mod_revision, sub_revision, "key", create_revision, version, lease, deleted, "value"
    FROM read_parquet(?)
"""

# Nothing must be read that contradicts itself.
PARQUET_WRONG = """
    SELECT count(*) FROM read_parquet(?)
    WHERE encode(key_text) <> "key" OR value_bytes <> coalesce(octet_length("value"), 0)
"""

READ = {"csv": CSV, "ndjson": NDJSON, "parquet": PARQUET}


def lease_id(lease):
    """A lease as a signed number: text has it in hexadecimal, and none where there is none."""
    if lease is None or isinstance(lease, int):
        return lease or 0
    number = int(lease or "0", 16)
    return number - (1 << 64) if number >> 63 else number


def text(data):
    """Bytes, or none, in Base64."""
    return base64.b64encode(data or b"").decode()


def main():
    # Whatever it needs is in the package: an extension is not to be fetched.
    database = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for path in sys.argv[1:]:
        form = path.rsplit(".", 1)[1]
        if form == "parquet":
            wrong = database.execute(PARQUET_WRONG, [path]).fetchone()[0]
            if wrong:
                sys.exit(f"{path}: {wrong} rows contradict themselves")
        rows = [
            [main, sub, text(key), create or 0, version or 0, lease_id(lease), deleted, text(value)]
            for main, sub, key, create, version, lease, deleted, value in database.execute(READ[form], [path]).fetchall()
        ]
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
