"""Asking an S3 bucket for an object, unsigned, and saying what its answers mean."""

from __future__ import annotations

import contextlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import botocore
import botocore.exceptions
import botocore.httpsession
import botocore.loaders
import botocore.session
import urllib3.exceptions
from botocore.config import Config
from botocore.parsers import ResponseParserError

from brainworth import config
from brainworth.errors import BrainworthError

BLOCK = 2**20  # bytes handed on at a time; what a cut connection can cost at most
CONNECT_TIMEOUT_S = 20
READ_TIMEOUT_S = 60

#: Error codes that ask for patience although their status is 400 or 403.
BUSY = frozenset(
    ("SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "RequestTimeout")
)

CA_VARIABLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")

#: Failures of the connection, not of the request.
CONNECTION_ERRORS = (
    botocore.exceptions.HTTPClientError,
    botocore.exceptions.ConnectionError,
    botocore.exceptions.IncompleteReadError,
    urllib3.exceptions.HTTPError,
    ResponseParserError,  # a proxy's web page where S3's XML was expected
)

#: What botocore knows of S3; read once.
_MODELS = botocore.loaders.create_loader()

_CHECK = "check data.bucket and data.endpoint_url"


class Retry(Exception):
    """A failure that another attempt may mend; the message says what happened."""


class Forbidden(BrainworthError):
    """The bucket does not give this object to everybody."""


class Missing(BrainworthError):
    """The bucket has no such object."""


class Changed(Retry):
    """The object is another one than when it was asked about: begin anew."""


class NoRanges(Retry):
    """The service sends the whole object where a part of it was asked for."""


@dataclass(frozen=True)
class Bucket:
    """An open connection to a bucket.

    Attributes
    ----------
    client : botocore client
        S3 client without credentials and without retries of its own.
    name : str
        Name of the bucket.
    place : str
        The bucket and its address, for messages.
    asked : Counter
        How often the head of each object was asked for.
    """

    client: Any
    name: str
    place: str
    asked: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Remote:
    """What the bucket says about an object.

    Attributes
    ----------
    key : str
        Key of the object.
    size : int
        Size in bytes.
    etag : str
        Version of its contents, without quotes.
    md5 : str or None
        MD5 of its contents in hexadecimal, if the ETag is one: that of a multipart upload or of an
        object encrypted with a customer's key is not.
    n_parts : int or None
        Number of parts of a multipart upload whose ETag is made of the parts' MD5s.
    """

    key: str
    size: int
    etag: str
    md5: str | None
    n_parts: int | None = None


@dataclass(frozen=True)
class Listed:
    """A line of the bucket's listing: key, size in bytes and ETag."""

    key: str
    size: int
    etag: str


@contextlib.contextmanager
def connect(data: config.Data) -> Iterator[Bucket]:
    """Open the bucket of a configuration.

    Raises
    ------
    BrainworthError
        If the endpoint or the region is not a valid one.
    """
    place = f"s3://{data.bucket} at {data.endpoint_url or 'Amazon, ' + data.region}"
    settings = Config(
        signature_version=botocore.UNSIGNED,
        # The retries are ours (patience.patiently): one count and one pause, the configured ones.
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=READ_TIMEOUT_S,
        max_pool_connections=2 * data.parallel,  # questions about objects while others come in
        # Other services are rarely reachable as BUCKET.HOST.
        s3={"addressing_style": "path" if data.endpoint_url else "auto"},
        # config.yaml alone decides where the data come from, not AWS_ENDPOINT_URL.
        ignore_configured_endpoint_urls=True,
        # Bodies are verified in download.py, and some services send checksums of the whole object
        # with a part of it.
        response_checksum_validation="when_required",
    )
    session = botocore.session.Session()
    session.register_component("data_loader", _MODELS)
    try:
        client = session.create_client(
            "s3",
            region_name=data.region,
            endpoint_url=data.endpoint_url,
            config=settings,
            verify=certificates(data),
        )
    except (ValueError, botocore.exceptions.BotoCoreError) as error:
        raise BrainworthError(
            f"{place} cannot be used ({error}); check data.region, data.endpoint_url and the "
            "AWS_ variables of the environment"
        ) from error
    with contextlib.closing(client):
        yield Bucket(client, data.bucket, place)


def certificates(data: config.Data) -> str:
    """Return the file of the certificate authorities to trust.

    ``data.ca_bundle``, else what the variables AWS_CA_BUNDLE or SSL_CERT_FILE name, else those
    that come with Python's packages.

    Raises
    ------
    BrainworthError
        If the file named does not exist.
    """
    for origin, name in (
        ("data.ca_bundle", data.ca_bundle),
        *((variable, os.environ.get(variable)) for variable in CA_VARIABLES),
    ):
        if name:
            path = Path(name).expanduser()
            if not path.is_file():
                raise BrainworthError(
                    f"{path} ({origin}) does not exist; expected a file of certificates (PEM)"
                )
            return str(path)
    return botocore.httpsession.get_cert_path(True)


def head(bucket: Bucket, key: str) -> Remote:
    """Ask for an object's size and ETag.

    Raises
    ------
    Retry
        If the service is busy or the connection fails.
    BrainworthError
        If the object is forbidden, does not exist, is empty, or has no ETag.
    """
    bucket.asked[key] += 1
    with _explained(bucket, key):
        answer = bucket.client.head_object(Bucket=bucket.name, Key=key)
    size, etag = answer["ContentLength"], answer.get("ETag", "").strip('"')
    if size == 0:
        raise BrainworthError(f"{key} is empty in {bucket.place}; {_CHECK}")
    if not etag:
        raise BrainworthError(
            f"{key} comes without an ETag from {bucket.place}, and a download could not be "
            f"resumed safely; {_CHECK}"
        )
    plain = answer.get("ServerSideEncryption") in (None, "AES256")
    found = re.fullmatch("([0-9a-f]{32})(?:-([0-9]+))?", etag) if plain else None
    md5, parts = found.groups() if found else (None, None)
    if parts is not None:
        return Remote(key, size, etag, None, int(parts))
    return Remote(key, size, etag, md5)


def part_size(bucket: Bucket, remote: Remote) -> int | None:
    """Ask for the size of the parts that an object was uploaded in.

    Returns
    -------
    int or None
        None if the service does not tell, or the parts differ in size.

    Raises
    ------
    Retry
        If the service is busy or the connection fails.
    """
    bucket.asked[remote.key] += 1
    try:
        with _explained(bucket, remote.key):
            answer = bucket.client.head_object(Bucket=bucket.name, Key=remote.key, PartNumber=1)
    except BrainworthError:
        return None  # a service that does not know the question
    size = answer["ContentLength"]
    told = answer.get("PartsCount") == remote.n_parts and size > 0
    return size if told and -(-remote.size // size) == remote.n_parts else None


def get(
    bucket: Bucket, remote: Remote, start: int = 0, stop: int | None = None
) -> tuple[int, Iterator[bytes]]:
    """Ask for bytes `start` to `stop` (exclusive), provided that the ETag is still the same.

    Returns
    -------
    start : int
        Where the bytes really start: 0 if all to the end was asked for, and the service knows no
        ranges.
    blocks : iterator of bytes
        The bytes, at most 1 MiB at a time; never more than were asked for. To be closed, or read
        to its end.

    Raises
    ------
    Retry
        Here or from `blocks`: if the object changed (`Changed`), the service is busy, sends other
        bytes or knows no ranges (`NoRanges`), or the connection fails.
    BrainworthError
        If the object is forbidden or does not exist.
    """
    stop = remote.size if stop is None else stop
    whole = (start, stop) == (0, remote.size)
    last = "" if stop == remote.size else stop - 1
    wanted = {} if whole else {"Range": f"bytes={start}-{last}"}
    with _explained(bucket, remote.key):
        answer = bucket.client.get_object(
            Bucket=bucket.name, Key=remote.key, IfMatch=f'"{remote.etag}"', **wanted
        )
    body = answer["Body"]
    try:
        if answer.get("ETag", "").strip('"') != remote.etag:
            raise Changed("the object changed in the bucket during the download")
        if not whole and answer["ResponseMetadata"]["HTTPStatusCode"] != 206:
            if stop != remote.size:
                raise NoRanges("the service does not send parts of objects")
            start = 0
        sent, right = answer.get("ContentRange"), f"bytes {start}-{stop - 1}/{remote.size}"
        if sent not in (None, right):
            raise Retry(f"the service sent {sent} where {right} was asked for")
        if answer["ContentLength"] != stop - start:
            raise Retry(
                f"the service sent {answer['ContentLength']} bytes where {stop - start} were "
                "asked for"
            )
    except Retry:
        body.close()
        raise
    return start, _blocks(bucket, remote.key, body)


def listing(bucket: Bucket, prefix: str) -> Iterator[Listed]:
    """List the objects whose keys begin with a prefix, page by page.

    Raises
    ------
    Retry, BrainworthError
        As `head`.
    """
    more: dict[str, str] = {}
    while True:
        with _explained(bucket, prefix):
            page = bucket.client.list_objects_v2(Bucket=bucket.name, Prefix=prefix, **more)
        for item in page.get("Contents", []):
            yield Listed(item["Key"], item["Size"], item["ETag"].strip('"'))
        if not page.get("IsTruncated"):
            return
        more = {"ContinuationToken": page["NextContinuationToken"]}


def _blocks(bucket: Bucket, key: str, body: Any) -> Iterator[bytes]:
    with contextlib.closing(body):
        while True:
            with _explained(bucket, key):
                block = body.read(BLOCK)
            if not block:
                return
            yield block


@contextlib.contextmanager
def _explained(bucket: Bucket, key: str) -> Iterator[None]:
    """Turn botocore's exceptions into `Retry` or `BrainworthError`."""
    try:
        yield
    except botocore.exceptions.ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        code = error.response["Error"].get("Code", "")
        raise meaning(bucket, key, status, code) from error
    except CONNECTION_ERRORS as error:
        raise Retry(f"the connection failed ({error})") from error
    except botocore.exceptions.BotoCoreError as error:
        raise BrainworthError(
            f"{key} cannot be asked for from {bucket.place} ({error}); {_CHECK}"
        ) from error


def meaning(bucket: Bucket, key: str, status: int, code: str) -> Exception:
    """Return what a refusal means: `Retry` or `BrainworthError`.

    Parameters
    ----------
    status : int
        HTTP status of the answer.
    code : str
        S3's word for it, from the error document; empty where there is none.
    """
    if status >= 500 or status in (408, 429) or code in BUSY:
        return Retry(f"the service is busy (status {status}, {code})")
    if status in (412, 416):
        return Changed("the object changed in the bucket during the download")
    if status == 403:
        return Forbidden(
            f"{key} is forbidden in {bucket.place}: old mirrors hold back the last three sessions "
            "of each subject, which NSD released on 2023-08-20; use NSD's own bucket (data.bucket, "
            "data.endpoint_url) or fewer sessions (data.sessions)"
        )
    if status == 404:
        return Missing(f"{key} does not exist in {bucket.place}; {_CHECK}")
    return BrainworthError(
        f"{key} was refused by {bucket.place} (status {status}, {code}); check data.bucket, "
        "data.region and data.endpoint_url"
    )
