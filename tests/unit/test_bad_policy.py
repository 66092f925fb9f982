"""A policy that cannot be used is refused by the name of the file at fault, and the old one goes on deciding."""

import hashlib
import io
import shutil
import zipfile

import pytest

from fanxing.errors import ModelInvalid, PolicyInvalid
from fanxing.flows.policies import CHAMPION, Policies, publish
from fanxing.flows.ports import ActivePolicy, Artefact, ChangeSet
from fanxing.institutions import Clock, Institution
from fanxing.settings import TOWN_POLICY
from fanxing.store.fake import FakeStore
from fanxing.strategies.policy import pack

DEMO = Institution(institution_id="demo", currency="CNY", time_zone="Asia/Shanghai", clock=Clock.SYSTEM)
TOML, CEL, CARD, MODEL = "policy.toml", "strategies/open_line.cel", "models/pd.toml", "models/pd.fxf"


@pytest.fixture
def directory(tmp_path):
    shutil.copytree(TOWN_POLICY, tmp_path / "policy")
    return tmp_path / "policy"


def edited(before, after):
    """Changes a text once; the file must have it."""

    def edit(content):
        assert content.count(before.encode()) >= 1, before
        return content.replace(before.encode(), after.encode(), 1)

    return edit


def condition(text):
    """A strategy's file with another condition."""
    return lambda content: b"\n".join([*content.splitlines()[:3], text.encode()])


def flipped(place):
    """A file with one bit of one byte turned over."""

    def flip(content):
        changed = bytearray(content)
        changed[place] ^= 1
        return bytes(changed)

    return flip


def resealed(content, before, after):
    """An artefact with a changed field and a checksum that fits."""
    body = content[:-32].replace(before, after, 1)
    return body + hashlib.sha256(body).digest()


MALFORMED = {
    "no policy.toml": (TOML, None),
    "not TOML": (TOML, lambda _: b"name = "),
    "not text": (TOML, lambda _: b"\xff\xfe\x00"),
    "empty": (TOML, lambda _: b""),
    "nested without end": (TOML, lambda _: b"a = " + b"[" * 100_000),
    "an unknown key": (TOML, edited("[product]", "luck = 7\n[product]")),
    "an unknown key below": (TOML, edited("[price]", "[price]\nluck = 7")),
    "a key that is missing": (TOML, edited("stale_days = 7\n", "")),
    "a key of another type": (TOML, edited("step_fen = 10_000", 'step_fen = "much"')),
    "no models": (TOML, edited('models = ["pd"]', "models = []")),
    "a PD model that is not there": (TOML, edited('pd_model = "pd"', 'pd_model = "luck"')),
    "a term that is not offered": (TOML, edited("term_months = 12", "term_months = 7")),
    "no sentence for a reason": (TOML, edited("STEP_UP = ", "STEP_DOWN = ")),
    "a name with a slash": (TOML, edited('name = "town"', 'name = "../town"')),
    "one strategy twice": (TOML, edited('"no_receipts", ', '"no_receipts", "no_receipts", ')),
    "one model twice": (TOML, edited('models = ["pd"]', 'models = ["pd", "pd"]')),
    "a share above one": (TOML, edited("capacity_share = 0.5", "capacity_share = 1.5")),
    "a share that is no number": (TOML, edited("capacity_share = 0.5", "capacity_share = nan")),
    "a limit below nothing": (TOML, edited("product_fen = 10_000_000", "product_fen = -1")),
    "a limit beyond all": (TOML, edited("product_fen = 10_000_000", "product_fen = 9_999_999_999_999_999")),
    "a step of nothing": (TOML, edited("step_fen = 10_000", "step_fen = 0")),
    "a width of nothing": (TOML, edited("pd_width = 0.06", "pd_width = 0.0")),
    "an endless factor": (TOML, edited("factor = 1.5", "factor = inf")),
    "a rate step of nothing": (TOML, edited('step = "0.0005"', 'step = "0"')),
    "a rate step below nothing": (TOML, edited('step = "0.0005"', 'step = "-0.0005"')),
    "a rate cap below nothing": (TOML, edited('rate_cap = "0.24"', 'rate_cap = "-0.24"')),
    "a rate cap that is no number": (TOML, edited('rate_cap = "0.24"', 'rate_cap = "NaN"')),
    "a cost cap of nothing": (TOML, edited('all_in_cap = "0.24"', 'all_in_cap = "0"')),
    "an endless cost cap": (TOML, edited('all_in_cap = "0.24"', 'all_in_cap = "Infinity"')),
    "an offer without a day": (TOML, edited("offer_days = 7", "offer_days = 0")),
    "fees": (TOML, edited("offer_days = 7", "offer_days = 7\nfees_fen = 100")),
    "no strategy file": (CEL, None),
    "an empty strategy": (CEL, lambda _: b""),
    "a strategy that is not text": (CEL, condition("m.lines_open >= \xff1.0")),
    "a strategy in another encoding": (CEL, lambda content: content.replace(b"open", "é".encode("latin-1"))),
    "no such indicator": (CEL, condition("m.luck >= 1.0")),
    "no such model": (CEL, condition("s.luck >= 0.5")),
    "CEL that does not parse": (CEL, condition("m.lines_open >=")),
    "CEL that is no condition": (CEL, condition("m.lines_open + 1.0")),
    "CEL that compares a number with a text": (CEL, condition("m.lines_open == 'one'")),
    "CEL with a macro": (CEL, condition("[1.0].all(x, x > 0.0)")),
    "CEL nested too deep": (CEL, condition("(" * 4000 + "true" + ")" * 4000)),
    "CEL with a long sum": (CEL, condition("m.lines_open" + " + 1.0" * 1500 + " > 0.0")),
    "a reason that is no code": (CEL, edited("OPEN_LINE", "open line")),
    "an effect that is none": (CEL, edited("decline", "shrug")),
    "no sentence": (CEL, edited("// says", "// tells")),
    "no card": (CARD, None),
    "a card that is not TOML": (CARD, lambda _: b"columns = ["),
    "a card with an unknown key": (CARD, edited("seed = ", "luck = 1\nseed = ")),
    "a card with an unknown indicator": (CARD, edited("receipts_fen_", "luck_fen_")),
    "no model file": (MODEL, None),
    "an empty model": (MODEL, lambda _: b""),
    "a model cut short": (MODEL, lambda content: content[:-1]),
    "half a model": (MODEL, lambda content: content[: len(content) // 2]),
    "a model with more at its end": (MODEL, lambda content: content + b"\0"),
    "a byte turned over at the front": (MODEL, flipped(0)),
    "a byte turned over in the middle": (MODEL, flipped(5000)),
    "a byte turned over in the checksum": (MODEL, flipped(-1)),
    "another format of model": (MODEL, lambda content: resealed(content, b"FXFOREST", b"LXFOREST")),
}


async def refused_and_undone(archive, expected, file, says=""):
    """Publishes what `archive` makes over a good policy; it must be refused and change nothing."""
    store, policies = FakeStore(), Policies()
    await store.commit("demo", ChangeSet(inserts=(DEMO,)))
    old = await publish(DEMO, store, pack(TOWN_POLICY), lambda: 1)
    await policies.load(DEMO, store)
    kept = dict(store._tables["demo"])
    with pytest.raises(expected) as caught:
        await publish(DEMO, store, archive(), lambda: 2)
    assert caught.value.field == file
    assert file in caught.value.message
    assert says in caught.value.message
    await policies.load(DEMO, store)
    assert policies.active(DEMO).digest == old
    assert store._tables["demo"] == kept


@pytest.mark.parametrize("what", MALFORMED)
async def test_a_malformed_policy_is_refused_by_its_file_and_the_old_one_decides(directory, what):
    file, change = MALFORMED[what]
    path = directory / file
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    expected = ModelInvalid if file in {CARD, MODEL} and change is not None else PolicyInvalid
    await refused_and_undone(lambda: pack(directory), expected, file)


async def test_what_is_no_directory_is_refused_by_its_name(tmp_path, directory):
    for path in (tmp_path / "nowhere", directory / TOML):
        await refused_and_undone(lambda path=path: pack(path), PolicyInvalid, TOML)
    (directory / CEL).unlink()
    (directory / CEL).mkdir()
    await refused_and_undone(lambda: pack(directory), PolicyInvalid, CEL)


async def test_a_file_that_cannot_be_read_is_named(directory):
    (directory / CEL).unlink()
    (directory / CEL).symlink_to("/proc/self/mem")
    await refused_and_undone(lambda: pack(directory), PolicyInvalid, CEL)


def zipped(*names, compression=zipfile.ZIP_STORED):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as packed:
        for name in names:
            packed.writestr(name, b"name = 'x'")
    return archive.getvalue()


@pytest.mark.parametrize(
    ("archive", "file", "says"),
    [
        (b"", "", "not a policy archive"),
        (b"not an archive", "", "not a policy archive"),
        (zipped(TOML)[:-10], "", "not a policy archive"),
        (zipped(), TOML, "not there"),
        (zipped(TOML, "../policy.toml"), "../policy.toml", "does not belong"),
        (zipped(TOML, "strategies/run.py"), "strategies/run.py", "does not belong"),
        (zipped(TOML, compression=zipfile.ZIP_DEFLATED), TOML, "does not belong"),
    ],
)
async def test_an_archive_that_pack_did_not_make_is_refused(archive, file, says):
    await refused_and_undone(lambda: archive, PolicyInvalid, file, says)


async def test_a_stored_policy_that_does_not_compile_leaves_the_old_one_deciding():
    store, policies = FakeStore(), Policies()
    await store.commit("demo", ChangeSet(inserts=(DEMO,)))
    old = await publish(DEMO, store, pack(TOWN_POLICY), lambda: 1)
    await policies.load(DEMO, store)
    bad = Artefact(digest="bad", kind="policy", content=zipped())
    await store.commit(
        "demo", ChangeSet(inserts=(bad,), updates=(ActivePolicy(slot=CHAMPION, digest="bad", since_us=2, version=2),))
    )
    with pytest.raises(PolicyInvalid):
        await policies.load(DEMO, store)
    assert policies.active(DEMO).digest == old
