"""Secret files."""

import stat
from concurrent.futures import ThreadPoolExecutor

from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from privity_deploy.secrets import Secrets


def test_a_secret_is_made_once_and_closed_to_others(tmp_path):
    secrets = Secrets(tmp_path / "secrets")

    path = secrets.ensure("gateway/key", "random")
    first = secrets.read("gateway/key")
    secrets.ensure("gateway/key", "random")

    assert len(bytes.fromhex(first)) == 32
    assert secrets.read("gateway/key") == first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for folder in (path.parent, secrets.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_a_secret_that_became_readable_to_others_is_closed_again(tmp_path):
    secrets = Secrets(tmp_path / "secrets")
    path = secrets.ensure("key", "random")
    path.chmod(0o644)

    secrets.ensure("key", "random")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_many_that_make_it_at_once_agree_on_one(tmp_path):
    def make(_):
        secrets = Secrets(tmp_path / "secrets")
        secrets.ensure("key", "random")
        return secrets.read("key")

    with ThreadPoolExecutor(16) as threads:
        assert len(set(threads.map(make, range(64)))) == 1


def test_a_signing_key_is_a_p256_private_key(tmp_path):
    path = Secrets(tmp_path / "secrets").ensure("signing.pem", "es256")

    key = load_pem_private_key(path.read_bytes(), password=None)

    assert key.curve.name == "secp256r1"


def test_a_logs_signer_has_a_public_half_and_an_empty_record_that_is_not_made_again(tmp_path):
    secrets = Secrets(tmp_path / "secrets")
    path = secrets.ensure("log/signer.pem", "log_signer")
    public, heads = path.with_suffix(".pub"), path.with_suffix(".heads")

    key = load_pem_private_key(path.read_bytes(), password=None)
    assert load_pem_public_key(public.read_bytes()) == key.public_key()
    assert heads.read_text() == "{}\n"
    heads.unlink()
    secrets.ensure("log/signer.pem", "log_signer")

    assert not heads.exists()
