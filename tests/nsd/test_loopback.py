"""The S3 service of the tests answers as an independent implementation (moto) does."""

from __future__ import annotations

import contextlib
import random
import ssl
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import boto3
import botocore
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from loopback import BUCKET, faults, in_process, running, tls
from moto.server import ThreadedMotoServer

MEBI = 2**20
PARTS = random.Random(1).randbytes(11 * MEBI)
SINGLE = random.Random(2).randbytes(100_000)
KEPT = ("ETag", "ContentLength", "ContentRange", "PartsCount", "AcceptRanges")


def client(url: str, **secret):
    unsigned = {} if secret else {"signature_version": botocore.UNSIGNED}
    retries = {"total_max_attempts": 1}
    return boto3.client(
        "s3",
        region_name="us-east-2",
        endpoint_url=url,
        config=Config(
            **unsigned,
            retries=retries,
            s3={"addressing_style": "path"},
            response_checksum_validation="when_required",
        ),
        **secret,
    )


@pytest.fixture(scope="module")
def both():
    """Yield clients of moto and of ours, with the same objects behind them."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    moto = "http://{}:{}".format(*server.get_host_and_port())
    with pytest.MonkeyPatch.context() as patch, running() as ours:
        patch.setenv("NO_PROXY", "127.0.0.1")
        reset = urllib.request.Request(f"{moto}/moto-api/reset", method="POST")
        urllib.request.urlopen(reset).close()  # moto's buckets outlive its server
        with contextlib.closing(
            client(moto, aws_access_key_id="none", aws_secret_access_key="none")
        ) as filler:
            where = {"LocationConstraint": "us-east-2"}
            filler.create_bucket(Bucket=BUCKET, ACL="public-read", CreateBucketConfiguration=where)
            for number in range(12):
                for key in (f"a/{number}.bin", f"b c/{number}.bin"):
                    filler.put_object(Bucket=BUCKET, Key=key, Body=SINGLE, ACL="public-read")
                    ours.add(key, SINGLE)
            upload = filler.create_multipart_upload(
                Bucket=BUCKET, Key="parts.bin", ACL="public-read"
            )
            about = {"Bucket": BUCKET, "Key": "parts.bin", "UploadId": upload["UploadId"]}
            done = []
            for number, start in enumerate(range(0, len(PARTS), 5 * MEBI), 1):
                body = PARTS[start : start + 5 * MEBI]
                answer = filler.upload_part(PartNumber=number, Body=body, **about)
                done.append({"ETag": answer["ETag"], "PartNumber": number})
            filler.complete_multipart_upload(MultipartUpload={"Parts": done}, **about)
            ours.add("parts.bin", PARTS, part_size=5 * MEBI)
        # moto shows a public bucket's listing to signed requests only
        moto_client = client(moto, aws_access_key_id="none", aws_secret_access_key="none")
        with contextlib.closing(moto_client), contextlib.closing(client(ours.url)) as own:
            yield moto_client, own
    server.stop()


def outcome(service, operation: str, **arguments) -> dict:
    """What a client sees: status, and headers and body or the error's code."""
    try:
        answer = getattr(service, operation)(Bucket=BUCKET, **arguments)
    except ClientError as error:
        seen = error.response
        code = seen["Error"]["Code"] if operation == "get_object" else None
        return {"status": seen["ResponseMetadata"]["HTTPStatusCode"], "code": code}
    seen = {name: answer.get(name) for name in KEPT}
    body = answer["Body"].read() if "Body" in answer else None
    return seen | {"status": answer["ResponseMetadata"]["HTTPStatusCode"], "body": body}


@pytest.mark.parametrize("operation", ["get_object", "head_object"])
@pytest.mark.parametrize(
    "arguments",
    [
        {"Key": "a/1.bin"},
        {"Key": "b c/1.bin"},
        {"Key": "parts.bin"},
        {"Key": "absent.bin"},
        {"Key": "a/1.bin", "Range": "bytes=10-19"},
        {"Key": "a/1.bin", "Range": "bytes=99990-200000"},
        {"Key": "a/1.bin", "Range": "bytes=10-"},
        {"Key": "a/1.bin", "Range": "bytes=-10"},
        {"Key": "parts.bin", "Range": "bytes=5242870-5242890"},
        {"Key": "a/1.bin", "IfMatch": '"0"'},
    ],
)
def test_objects(both, operation, arguments):
    moto, own = (outcome(service, operation, **arguments) for service in both)
    assert own == moto


@pytest.mark.parametrize("number", [1, 3])
def test_parts(both, number):
    """S3 gives the whole object's ETag and status 206; moto the part's ETag and 200."""
    moto, own = (
        outcome(service, "head_object", Key="parts.bin", PartNumber=number) for service in both
    )
    for name in ("ContentLength", "PartsCount"):
        assert own[name] == moto[name]
    assert own["status"] == 206
    assert own["ETag"] == outcome(both[0], "head_object", Key="parts.bin")["ETag"]


def test_a_range_beyond_the_end(both):
    _, own = both
    seen = outcome(own, "get_object", Key="a/1.bin", Range="bytes=100000-")
    assert seen == {"status": 416, "code": "InvalidRange"}


@pytest.mark.parametrize(
    "query",
    [{}, {"Prefix": "b c/"}, {"Delimiter": "/"}, {"Prefix": "a/1", "Delimiter": "/"}],
)
def test_listing_page_by_page(both, query):
    listed = []
    for service in both:
        pages = service.get_paginator("list_objects_v2").paginate(
            Bucket=BUCKET, PaginationConfig={"PageSize": 5}, **query
        )
        found = []
        for page in pages:
            found += [(item["Key"], item["Size"]) for item in page.get("Contents", [])]
            found += [item["Prefix"] for item in page.get("CommonPrefixes", [])]
        listed.append(sorted(found, key=str))
    assert listed[0] == listed[1]
    assert listed[0]


def test_bandwidth_and_latency_are_those_asked_for():
    with running(latency_s=0.05, bytes_per_s=20e6) as server:
        server.add("a.bin", bytes(2_000_000))

        def get(_):
            with urllib.request.urlopen(f"{server.url}/{BUCKET}/a.bin") as answer:
                return len(answer.read())

        start = time.perf_counter()
        with ThreadPoolExecutor(4) as pool:
            assert sum(pool.map(get, range(4))) == 8_000_000
        took = time.perf_counter() - start
    assert 0.4 <= took < 0.8  # 0.05 s side by side, then 8 MB at 20 MB/s


def test_tls_in_a_process_of_its_own(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/a.bin").write_bytes(SINGLE)
    with in_process(tmp_path / "tree", tls=tmp_path / "tls") as url:
        trust = ssl.create_default_context(cafile=tmp_path / "tls/authority.pem")
        with urllib.request.urlopen(f"{url}/{BUCKET}/a.bin", context=trust) as answer:
            assert answer.read() == SINGLE
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urllib.request.urlopen(f"{url}/{BUCKET}/a.bin")
    assert tls.authority(tmp_path / "again")[0].read_text().startswith("-----BEGIN CERT")


def test_faults_meet_the_requests_they_are_meant_for():
    with running() as server:
        server.add("a.bin", SINGLE)
        server.add("b.bin", SINGLE)
        server.inject(faults.status(503, "SlowDown"), key="a*", nth=2)
        server.inject(faults.corrupt(50_000), key="b*", covers=50_000, times=None)

        def get(key, span=None):
            headers = {"Range": span} if span else {}
            request = urllib.request.Request(f"{server.url}/{BUCKET}/{key}", headers=headers)
            with urllib.request.urlopen(request) as answer:
                return answer.read()

        assert get("a.bin") == SINGLE
        with pytest.raises(OSError, match="503"):
            get("a.bin")
        assert get("a.bin") == SINGLE
        assert get("b.bin", "bytes=0-49999") == SINGLE[:50_000]
        for _ in range(2):
            damaged = get("b.bin", "bytes=50000-")
            assert [i for i in range(50_000) if damaged[i] != SINGLE[50_000 + i]] == [0]
