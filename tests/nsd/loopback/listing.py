"""ListObjectsV2, as S3 answers it (AWS API reference, ListObjectsV2)."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote
from xml.sax.saxutils import escape

from loopback.objects import Stored

MOST_KEYS = 1000


def listing(bucket: str, objects: Mapping[str, Stored], query: Mapping[str, str]) -> bytes:
    """Return the XML document for a query: prefix, delimiter, max-keys, tokens."""
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    most = min(int(query.get("max-keys", MOST_KEYS)), MOST_KEYS)
    after = query.get("continuation-token") or query.get("start-after", "")
    plain = query.get("encoding-type") != "url"
    entries: dict[str, str] = {}
    for key in sorted(objects):
        if not key.startswith(prefix):
            continue
        rest = key[len(prefix) :]
        if delimiter and delimiter in rest:
            shown = prefix + rest.split(delimiter)[0] + delimiter
            common = f"<Prefix>{_name(shown, plain)}</Prefix>"
            entries.setdefault(shown, f"<CommonPrefixes>{common}</CommonPrefixes>")
        else:
            stored = objects[key]
            entries[key] = (
                f"<Contents><Key>{_name(key, plain)}</Key>"
                "<LastModified>2023-08-20T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{stored.etag}&quot;</ETag><Size>{stored.size}</Size>"
                "<StorageClass>STANDARD</StorageClass></Contents>"
            )
    names = [name for name in entries if name > after]
    page = names[:most]
    more = len(names) > len(page)
    token = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if more else ""
    encoding = "" if plain else "<EncodingType>url</EncodingType>"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{bucket}</Name><Prefix>{_name(prefix, plain)}</Prefix>{encoding}"
        f"<KeyCount>{len(page)}</KeyCount><MaxKeys>{most}</MaxKeys>"
        f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>{token}"
        f"{''.join(entries[name] for name in page)}</ListBucketResult>"
    ).encode()


def _name(key: str, plain: bool) -> str:
    return escape(key if plain else quote(key))
