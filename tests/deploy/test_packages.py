"""The agent's packages: what is in them, and what installing, upgrading and removing them does to a machine."""

import os
import re
import shutil
import tarfile

import pytest
from engine import boot
from places import CACHE, ROOT, run

TARGETS = {
    "x86_64-unknown-linux-musl": "amd64",
    "aarch64-unknown-linux-musl": "arm64",
    "armv7-unknown-linux-musleabihf": "armhf",
}
NATIVE, FOREIGN = "x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"
PROGRAM, CONFIG = "usr/bin/cabinwatch-agent", "etc/cabinwatch/agent.toml"
UNIT = "usr/lib/systemd/system/cabinwatch-agent.service"
ENABLED = "etc/systemd/system/multi-user.target.wants/cabinwatch-agent.service"
OURS = 'tail = "TC-PKG"\n'

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="packages are installed as root only")


def deb(target):
    """The Debian package that `make cross` left for a target."""
    (file,) = (ROOT / "dist").glob(f"cabinwatch-agent_*_{TARGETS[target]}.deb")
    return file


def unpacked(target, folder):
    """The folder in the tar for a target."""
    (file,) = (ROOT / "dist").glob(f"cabinwatch-agent-*-{target}.tar.gz")
    run("tar", "-xzf", file, "-C", folder)
    return folder / file.name.removesuffix(".tar.gz")


def newer(folder):
    """The native Debian package with a higher version, and otherwise the same."""
    run("dpkg-deb", "--raw-extract", deb(NATIVE), folder / "newer")
    control = folder / "newer/DEBIAN/control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 9"))
    run("dpkg-deb", "--root-owner-group", "--build", folder / "newer", folder / "newer.deb")
    return folder / "newer.deb"


@pytest.fixture
def machine(tmp_path):
    """The root of a small Debian that isn't running."""
    root = tmp_path / "root"
    root.mkdir()
    run("tar", "-xf", CACHE / "debian.tar", "-C", root)
    yield root
    shutil.rmtree(root)


def everything(root):
    """Each file of ours with its content and times."""
    places = [path for top in ("usr/bin", "usr/lib/systemd", "etc") for path in (root / top).rglob("*cabinwatch*")]
    files = [file for path in places for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return {file: (file.read_bytes(), file.lstat().st_mtime_ns) for file in files}


@pytest.mark.parametrize("target", TARGETS)
class TestWhatIsInThem:
    def test_files_belong_to_root_and_nobody_else_writes_them(self, target):
        for file in (ROOT / "dist").glob(f"*{target}.tar.gz"):
            members = tarfile.open(file).getmembers()
            assert {(member.uid, member.gid) for member in members} == {(0, 0)}
            assert not [member.name for member in members if member.mode & 0o022]
        for line in run("dpkg-deb", "--contents", deb(target)).stdout.splitlines():
            rights, owner = line.split()[:2]
            assert owner == "root/root" and rights[5] == rights[8] == "-", line

    def test_the_debian_package_knows_its_architecture_and_its_conffile(self, target, tmp_path):
        run("dpkg-deb", "--raw-extract", deb(target), tmp_path / "deb")
        assert f"\nArchitecture: {TARGETS[target]}\n" in (tmp_path / "deb/DEBIAN/control").read_text()
        assert (tmp_path / "deb/DEBIAN/conffiles").read_text() == f"/{CONFIG}\n"

    def test_both_hold_the_same_program(self, target, tmp_path):
        run("dpkg-deb", "--extract", deb(target), tmp_path / "deb")
        program = unpacked(target, tmp_path) / "cabinwatch-agent"
        assert program.read_bytes() == (tmp_path / "deb" / PROGRAM).read_bytes()

    def test_the_program_names_nobodys_folders(self, target, tmp_path):
        program = (unpacked(target, tmp_path) / "cabinwatch-agent").read_bytes()
        for folder in (f"{ROOT}/", "/.cargo/", "/registry/src/", "/rustlib/src/"):
            assert folder.encode() not in program


@needs_root
class TestTheDebianPackage:
    def dpkg(self, root, *arguments, **options):
        for argument in arguments:
            if argument.startswith("/root/"):
                assert (root / argument[1:]).exists()
        return run("chroot", root, "dpkg", *arguments, **options)

    @pytest.fixture
    def installed(self, machine):
        shutil.copy(deb(NATIVE), machine / "root/agent.deb")
        self.dpkg(machine, "--install", "/root/agent.deb")
        return machine

    def test_the_program_runs_and_the_service_begins_with_the_machine(self, installed):
        assert run("chroot", installed, "cabinwatch-agent", "--version").stdout.startswith("cabinwatch-agent ")
        assert os.path.lexists(installed / ENABLED)

    def test_its_configuration_lacks_nothing_but_what_only_the_engineer_knows(self, installed):
        said = run("chroot", installed, "cabinwatch-agent", "check-config", expect=2).stderr
        assert "`tail` is not set" in said
        given = (installed / CONFIG).read_text()
        (installed / CONFIG).write_text(given.replace("\n#tail =", "\ntail =", 1))
        run("chroot", installed, "cabinwatch-agent", "check-config")

    def test_what_it_suggests_is_understood(self, installed):
        given = (installed / CONFIG).read_text()
        # A setting that is commented out follows the sign directly, words do not.
        (installed / CONFIG).write_text(re.sub(r"^#(?=\w)", "", given, flags=re.MULTILINE))
        run("chroot", installed, "cabinwatch-agent", "check-config")

    def test_an_upgrade_keeps_a_changed_configuration_and_asks_nothing(self, installed, tmp_path):
        (installed / CONFIG).write_text(OURS)
        shutil.copy(newer(tmp_path), installed / "root/newer.deb")
        self.dpkg(installed, "--install", "/root/newer.deb")
        assert (installed / CONFIG).read_text() == OURS

    def test_removing_keeps_configuration_and_data_and_purging_does_not(self, installed):
        data = installed / "var/lib/private/cabinwatch"
        data.mkdir(parents=True)
        self.dpkg(installed, "--remove", "cabinwatch-agent")
        assert not (installed / PROGRAM).exists() and not (installed / UNIT).exists()
        assert (installed / CONFIG).exists() and data.exists()
        self.dpkg(installed, "--purge", "cabinwatch-agent")
        assert not (installed / "etc/cabinwatch").exists() and not data.exists()
        assert not os.path.lexists(installed / ENABLED)

    def test_another_architecture_is_refused(self, machine):
        shutil.copy(deb(FOREIGN), machine / "root/agent.deb")
        said = self.dpkg(machine, "--install", "/root/agent.deb", expect=1).stderr
        assert "does not match system" in said
        assert not (machine / PROGRAM).exists()


@needs_root
class TestTheInstallScript:
    @pytest.fixture
    def package(self, tmp_path):
        return unpacked(NATIVE, tmp_path)

    def install(self, package, root, *arguments, **options):
        return run(package / "install.sh", "--root", root, *arguments, **options)

    def test_the_program_runs_and_the_service_begins_with_the_machine(self, machine, package):
        self.install(package, machine)
        assert run("chroot", machine, "cabinwatch-agent", "--version").stdout.startswith("cabinwatch-agent ")
        assert (machine / UNIT).exists() and os.path.lexists(machine / ENABLED)

    def test_a_second_time_it_changes_nothing(self, machine, package):
        self.install(package, machine)
        before = everything(machine)
        self.install(package, machine)
        assert before and everything(machine) == before

    def test_an_upgrade_brings_the_program_and_keeps_configuration_and_the_engineers_choice(self, machine, package):
        self.install(package, machine)
        (machine / CONFIG).write_text(OURS)
        (machine / ENABLED).unlink()
        (package / "cabinwatch-agent").write_bytes((package / "cabinwatch-agent").read_bytes() + b"newer")
        self.install(package, machine)
        assert (machine / PROGRAM).read_bytes().endswith(b"newer")
        assert (machine / CONFIG).read_text() == OURS
        assert not os.path.lexists(machine / ENABLED)

    def test_another_architecture_is_refused_and_nothing_is_changed(self, machine, tmp_path):
        before = everything(machine)
        said = self.install(unpacked(FOREIGN, tmp_path), machine, expect=1).stderr
        assert "for another architecture" in said
        assert everything(machine) == before

    def test_where_the_debian_package_is_installed_it_keeps_its_hands_off(self, machine, package):
        shutil.copy(deb(NATIVE), machine / "root/agent.deb")
        run("chroot", machine, "dpkg", "--install", "/root/agent.deb")
        before = everything(machine)
        for arguments in ([], ["--uninstall"]):
            assert "as a Debian package" in self.install(package, machine, *arguments, expect=1).stderr
        assert everything(machine) == before

    def test_uninstalling_keeps_configuration_and_data_and_purging_does_not(self, machine, package):
        self.install(package, machine)
        data = machine / "var/lib/private/cabinwatch"
        data.mkdir(parents=True)
        certificate = machine / "etc/cabinwatch/ca.pem"
        certificate.write_text("the engineer's")
        self.install(package, machine, "--uninstall")
        assert not (machine / PROGRAM).exists() and not (machine / UNIT).exists()
        assert not os.path.lexists(machine / ENABLED)
        assert (machine / CONFIG).exists() and data.exists()
        self.install(package, machine, "--uninstall", "--purge")
        assert not (machine / CONFIG).exists() and not data.exists()
        assert certificate.exists()

    def test_what_it_does_not_understand_it_does_not_do(self, machine, package):
        for arguments in (["--unistall"], ["--purge"], ["--root", "/nowhere"]):
            run(package / "install.sh", "--root", machine, *arguments, expect=1)
        assert not (machine / PROGRAM).exists()


@pytest.fixture(scope="module")
def booted(engine, tmp_path_factory):
    """What became of the service on a machine of its own: the folder that try-packages.sh wrote to."""
    folder = tmp_path_factory.mktemp("packages")
    root = engine.machine(folder)
    shutil.copy(deb(NATIVE), root / "root/agent.deb")
    shutil.copy(newer(folder), root / "root/newer.deb")
    unpacked(NATIVE, folder).rename(root / "root/package")
    yield boot(root, "try-packages", seconds=180)
    shutil.rmtree(root)


def state(booted, step):
    """What systemd said of the service after a step."""
    return dict(line.split("=", 1) for line in (booted / step).read_text().split())


def runs(booted, step):
    """The process that runs the service after a step, which has to be enabled."""
    found = state(booted, step)
    assert (found["UnitFileState"], found["ActiveState"]) == ("enabled", "active"), (booted / "log").read_text()
    return found["MainPID"]


class TestOnAMachine:
    @pytest.mark.parametrize("way", ["deb", "tar"])
    def test_without_a_tail_the_service_waits_for_the_engineer_and_says_so(self, booted, way):
        found = state(booted, f"{way}-unconfigured")
        assert (found["UnitFileState"], found["ActiveState"]) == ("enabled", "inactive")
        assert "`tail` is not set" in (booted / "log").read_text()

    def test_the_debian_package_starts_the_service_and_an_upgrade_restarts_it(self, booted):
        assert runs(booted, "deb-installed") != runs(booted, "deb-upgraded")

    def test_the_script_starts_the_service_and_an_upgrade_restarts_it_but_nothing_else_does(self, booted):
        assert runs(booted, "tar-installed") == runs(booted, "tar-again") != runs(booted, "tar-upgraded")

    @pytest.mark.parametrize("step", ["deb-removed", "deb-purged", "tar-removed"])
    def test_removed_it_runs_no_more(self, booted, step):
        found = state(booted, step)
        assert (found["ActiveState"], found["MainPID"]) == ("inactive", "0")
        assert found["LoadState"] == "not-found" or step == "deb-removed"
