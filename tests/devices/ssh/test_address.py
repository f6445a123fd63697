import pytest

from edgekit.devices.ssh.address import SshAddress, parse_address
from edgekit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh://pi@raspberrypi.local", SshAddress("raspberrypi.local", "pi")),
        ("ssh://pi@10.0.0.7:2222", SshAddress("10.0.0.7", "pi", 2222)),
        ("ssh://board", SshAddress("board")),
        ("ssh://pi@[fe80::1%eth0]:22", SshAddress("fe80::1%eth0", "pi", 22)),
    ],
)
def test_an_address_is_read_and_written(text, address):
    assert parse_address(text) == address
    assert str(address) == text


def test_the_address_becomes_arguments_of_ssh():
    assert parse_address("ssh://pi@board:2222").arguments == ("-p", "2222", "-l", "pi", "board")


@pytest.mark.parametrize(
    "text",
    [
        "ssh://",
        "ssh://pi@",
        "ssh://-oProxyCommand=touch@board",
        "ssh://pi@-oProxyCommand=touch",
        "ssh://pi@board:0",
        "ssh://pi@board:70000",
        "ssh://pi@board/home/pi",
        "ssh://pi@board;reboot",
        "ssh://pi@böard",
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UsageError, match="is no address; write ssh://user@host"):
        parse_address(text)


def test_a_password_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="a password on a command line") as caught:
        parse_address("ssh://pi:secret@board")
    assert "secret" not in str(caught.value)
