"""Downloads from a server of our own that can resume, cut connections, change its file and redirect."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gradwire.data import download
from gradwire.data.download import fetch
from gradwire.errors import DataError

CONTENT = bytes(range(256)) * 400  # 102,400 bytes


class Server(BaseHTTPRequestHandler):
    """/file is CONTENT; the server's attributes say how it answers."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server
        server.ranges.append(self.headers.get("Range"))
        if self.path.startswith("/to/"):
            self.answer(302, b"", {"Location": server.redirect})
        elif self.path != "/file":
            self.answer(404, b"nothing here")
        else:
            self.file()

    def file(self):
        server, content, status, headers = self.server, self.server.content, 200, {}
        if server.tag:
            headers["ETag"] = server.tag
        if server.modified:
            headers["Last-Modified"] = server.modified
        asked = self.headers.get("Range")
        if asked and server.resumes and self.headers["If-Range"] in (server.tag, server.modified):
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
                return
            headers["Content-Range"] = server.content_range or f"bytes {start}-{len(content) - 1}/{len(content)}"
            status, content = 206, content[start:]
        self.answer(status, content, headers, server.cuts.pop(0) if server.cuts else None)

    def answer(self, status, content, headers=(), cut=None):
        self.send_response(status)
        for key, value in dict(headers).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self.close_connection = True

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        server.content, server.tag, server.resumes, server.cuts, server.ranges = CONTENT, '"v1"', True, [], []
        server.content_range = server.redirect = server.modified = None
        server.url = f"http://127.0.0.1:{server.server_address[1]}/file"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server, path, checksum=None):
    return fetch(server.url, path, checksum, schemes=("http",))


def part_of(path, content, tag='"v1"'):
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(content)
    if tag:
        part.with_name(f"{part.name}.tag").write_text(tag)


def test_a_file_comes_once_and_leaves_nothing_else(server, tmp_path):
    path = tmp_path / "downloads" / "file"
    for _ in range(2):
        assert get(server, path).read_bytes() == CONTENT
    assert len(server.ranges) == 1
    assert sorted(one.name for one in path.parent.iterdir()) == ["file", "file.lock"]


def test_an_interrupted_download_goes_on_where_it_stopped(server, tmp_path):
    part_of(tmp_path / "file", CONTENT[:70_000])
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == ["bytes=70000-"]


def test_cut_connections_are_continued_as_long_as_they_bring_something(server, tmp_path):
    server.cuts = [50_000, 20_000, 1]
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=50000-", "bytes=70000-", "bytes=70001-"]


def test_a_truncated_download_is_an_error_and_is_kept_for_the_next_time(server, tmp_path):
    server.cuts = [50_000, 0]
    with pytest.raises(DataError, match=r"cannot download .*the connection ended after 50,000 of 102,400 bytes") as raised:
        get(server, tmp_path / "file")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "file").exists()
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges[-1] == "bytes=50000-"


@pytest.mark.parametrize("tag", [None, 'W/"weak"'])
def test_without_a_strong_validator_nothing_is_continued(server, tmp_path, tag):
    server.tag = tag
    part_of(tmp_path / "file", b"of another version", tag=None)
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    server.cuts = [50_000]
    with pytest.raises(DataError, match="ended after 50,000 of 102,400 bytes"):
        get(server, tmp_path / "other")
    assert get(server, tmp_path / "other").read_bytes() == CONTENT
    assert server.ranges == [None] * 3


def test_the_time_of_the_last_change_is_a_validator_too(server, tmp_path):
    server.tag, server.modified = 'W/"weak"', "Mon, 01 Jan 2024 00:00:00 GMT"
    server.cuts = [50_000]
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=50000-"]


def test_two_jobs_download_once(server, tmp_path):
    threads = [threading.Thread(target=get, args=(server, tmp_path / "file")) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert server.ranges == [None]


def test_a_file_that_changed_in_between_is_downloaded_anew(server, tmp_path):
    part_of(tmp_path / "file", b"x" * 70_000, tag='"v0"')
    assert get(server, tmp_path / "file").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_all_again(server, tmp_path):
    server.resumes = False
    part_of(tmp_path / "file", b"x" * 70_000)
    assert get(server, tmp_path / "file").read_bytes() == CONTENT


def test_a_part_that_was_complete_is_taken_and_a_longer_one_is_not(server, tmp_path):
    for name, content in (("complete", CONTENT), ("longer", CONTENT + b"x")):
        part_of(tmp_path / name, content)
        assert get(server, tmp_path / name).read_bytes() == CONTENT
    assert server.ranges == ["bytes=102400-", "bytes=102401-", None]


def test_a_server_that_sends_another_range_is_refused(server, tmp_path):
    server.content_range = "bytes 0-102399/102400"
    part_of(tmp_path / "file", CONTENT[:10])
    with pytest.raises(DataError, match="from byte 10 on, and it sent 'bytes 0-102399/102400'"):
        get(server, tmp_path / "file")


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksums(server, tmp_path, algorithm):
    right = hashlib.new(algorithm, CONTENT).hexdigest()
    assert get(server, tmp_path / "file", f"{algorithm}:{right}").read_bytes() == CONTENT
    wrong = f"{algorithm}:{'0' * len(right)}"
    with pytest.raises(DataError, match=rf"/file: expected {algorithm} 0+, got {right}"):
        get(server, tmp_path / "wrong", wrong)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "file.lock", "wrong.lock"]
    with pytest.raises(DataError, match=f"got {right}"):  # a file of the user's is checked, and left alone
        get(server, tmp_path / "file", wrong)
    assert (tmp_path / "file").exists()


def test_a_missing_file_is_named_in_one_line(server, tmp_path):
    server.url += "s"
    with pytest.raises(DataError, match=r"cannot download http://127\.0\.0\.1:\d+/files: the server answered 404 Not Found$"):
        get(server, tmp_path / "file")
    assert [one.name for one in tmp_path.iterdir()] == ["file.lock"]


def test_without_a_network_the_error_says_what_helps(server, tmp_path):
    server.url = "http://127.0.0.1:1/file"
    with pytest.raises(
        DataError, match=r"cannot download .*Connection refused.* needs internet, or .*GRADWIRE_CACHE.* or the file itself as .*/file$"
    ):
        get(server, tmp_path / "file")


def test_only_https_is_used_by_default_and_redirects_cannot_leave_it(server, tmp_path):
    with pytest.raises(DataError, match="expected an address that begins with https://, got http://127"):
        fetch(server.url, tmp_path / "file")
    target, server.url = server.url, server.url.replace("/file", "/to/file")
    server.redirect = target
    assert get(server, tmp_path / "file").read_bytes() == CONTENT
    server.redirect = "ftp://127.0.0.1/file"
    with pytest.raises(DataError, match="begins with http://, got ftp://127"):
        get(server, tmp_path / "other")
    server.redirect = "file:///etc/passwd"  # urllib refuses this one itself
    with pytest.raises(DataError, match="cannot download .*'file:///etc/passwd' is not allowed"):
        get(server, tmp_path / "other")
    with pytest.raises(DataError, match="begins with https://, got http://elsewhere"):
        download._Redirects(("https",)).redirect_request(None, None, 302, "Found", {}, "http://elsewhere/file")


def test_a_full_disk_is_noticed_before_the_download(server, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(DataError, match="needs 102,400 more bytes in .*, where 1,000 are free"):
        get(server, tmp_path / "file")
