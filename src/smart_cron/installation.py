"""`init --user`: the home of DESIGN §6 for everyone on the machine, owned by a service user. Only root can make it.

What is there already is never taken over (no `chown -R`): a folder of somebody else is told. `service install` asks
here what it has to write into units and crontabs.
"""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from smart_cron.config import SYSTEM_FILE, Config, load_config
from smart_cron.core.errors import ConfigError, SmartCronError
from smart_cron.home import SETTINGS_TEMPLATE, account_name, service_uid
from smart_cron.services.autostart import Startup
from smart_cron.wiring import prepare

CALL_SECONDS = 60
STATE = Path("/var/lib/smart-cron")
FOLDERS = (
    STATE,
    STATE / "runs",
    Path("/var/log/smart-cron"),
    Path("/var/run/smart-cron"),
    Path("/var/backups/smart-cron"),
)


def require_installer(user: str) -> pwd.struct_passwd:
    """Return the service user's account. Raise SmartCronError for anybody but root, and where there is no such user."""
    if os.geteuid() != 0:
        raise SmartCronError(
            "only root can set Smart Cron up for everyone on this machine.",
            remedy="Call it with sudo, or 'smart-cron init' without --user for yourself alone.",
        )
    try:
        return pwd.getpwnam(user)
    except KeyError:
        raise SmartCronError(
            f"this machine has no user '{user}'.",
            remedy=f"Make one with 'useradd --system {user}', or name another: --user NAME.",
        ) from None


def prepare_for_everyone(user: str) -> list[str]:
    """Make settings file, folders and tables for *user*; return a sentence for each thing done.

    Raises SmartCronError as `require_installer` does, and where a folder belongs to somebody else.
    """
    account = require_installer(user)
    done = [path for path in FOLDERS if _made(path, account.pw_uid, account.pw_gid)]
    if _made(SYSTEM_FILE.parent, 0, account.pw_gid):
        done.append(SYSTEM_FILE.parent)
    sentences = [f"made {path}" for path in done]
    if not SYSTEM_FILE.exists():
        _write_settings(account.pw_gid)
        sentences.append(f"wrote {SYSTEM_FILE}")
    environ = {name: text for name, text in os.environ.items() if name != "SMART_CRON_HOME"}
    return [*sentences, *prepare(load_config(environ))]


def _made(path: Path, uid: int, gid: int) -> bool:
    """Make a folder of this user and group, mode 750, or say that one was there; refuse what is there and not so."""
    try:
        path.mkdir(mode=0o750, parents=True)
    except FileExistsError:
        _require_own(path, uid)
        return False
    except OSError as error:
        raise SmartCronError(f"the directory {path} cannot be made: {error.strerror}.") from None
    # Its parent is root's, so nobody has put another thing there meanwhile.
    os.chown(path, uid, gid, follow_symlinks=False)
    path.chmod(0o750)
    return True


def _require_own(path: Path, uid: int) -> None:
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError([f"{path} is no directory"], remedy="Move it away, then call this again.")
    if found.st_uid != uid:
        raise ConfigError(
            [f"{path} belongs to {account_name(found.st_uid)} and not to {account_name(uid)}"],
            remedy=f"Look what is in it, then mend it with: chown {account_name(uid)} {path}",
        )


def _write_settings(gid: int) -> None:
    """Write the settings file: root's to change, the service user's to read, nobody else's."""
    descriptor = os.open(SYSTEM_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchown(descriptor, 0, gid)
        os.fchmod(descriptor, 0o640)
        file.write(SETTINGS_TEMPLATE)


def startup(config: Config, *, user: str | None = None) -> Startup:
    """Return what units and crontab lines have to know; *user* may name the owner of the home, and nobody else.

    Raises SmartCronError where there is no home yet, and where it is another user's.
    """
    if not config.state_dir.is_dir():
        raise SmartCronError(
            f"there is no Smart Cron in {config.home}.", remedy="Run 'smart-cron init', or set SMART_CRON_HOME."
        )
    owner = service_user(config)
    if user not in (None, owner):
        raise SmartCronError(
            f"{config.state_dir} belongs to {owner}, so {owner} runs its tasks and not '{user}'.",
            remedy="Leave --user out, or name a home of that user in SMART_CRON_HOME.",
        )
    places = (config.state_dir, config.log_dir, config.run_dir, config.backup_dir)
    return Startup(
        program=_program(),
        user=owner,
        home=None if config.home == Path("/") else config.home,
        run_dir=config.run_dir,
        log_dir=config.log_dir,
        written=(*places, *_database_folder(config)),
    )


def service_user(config: Config) -> str:
    """Return who runs the tasks of this home: its owner, or we ourselves where there is none any more."""
    return account_name(service_uid(config))


def refusal_of(program: Sequence[str], user: str) -> str | None:
    """Return why *user* cannot call the program (it may lie in a folder of root's alone), or None.

    Only root can find that out for somebody else; for others the answer is None.
    """
    if os.geteuid() != 0 or not (account := _account(user)):
        return None
    try:
        done = subprocess.run(
            [*program, "--version"],
            user=account.pw_uid,
            group=account.pw_gid,
            # Without these, root's own groups would stay.
            extra_groups=os.getgrouplist(account.pw_name, account.pw_gid),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=CALL_SECONDS,
        )
    except OSError as error:
        return error.strerror
    except subprocess.TimeoutExpired:
        return f"no answer within {CALL_SECONDS} s"
    last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return None if done.returncode == 0 else last or f"exit code {done.returncode}"


def _account(user: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(user)
    except KeyError:
        return None


def _program() -> tuple[str, ...]:
    """Return the words that call the program of this very environment, which another's path may know nothing of."""
    script = Path(sys.executable).with_name("smart-cron")
    if os.access(script, os.X_OK):
        return (str(script),)
    return (sys.executable, "-m", "smart_cron")


def _database_folder(config: Config) -> tuple[Path, ...]:
    parts = urlsplit(config.database_url)
    return (Path(unquote(parts.path)).parent,) if parts.scheme == "sqlite" else ()
