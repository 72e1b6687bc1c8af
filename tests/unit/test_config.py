"""Settings: where they come from, and how faults are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from smart_cron.config import Config, load_config, masked_url
from smart_cron.config.faults import UnfitSettingsError
from smart_cron.config.retention import RetentionConfig
from smart_cron.core.errors import ConfigError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def load(home: Path, **environ: str) -> Config:
    return load_config({"SMART_CRON_HOME": str(home), **environ})


def write_file(home: Path, text: str, mode: int = 0o640) -> Path:
    home.mkdir()
    path = home / "smart-cron.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_a_home_without_a_file_has_every_default(home: Path) -> None:
    config = load(home)

    assert (config.max_execution_time, config.max_concurrent, config.deadlock_timeout) == (55, 10, 600)
    assert config.database_url == f"sqlite:///{home}/state/smart-cron.db"


def test_the_environment_wins_over_the_file(home: Path) -> None:
    write_file(home, 'max_concurrent = 3\ntime_zone = "Europe/Berlin"\n')

    config = load(home, SMART_CRON_MAX_CONCURRENT="7")

    assert (config.max_concurrent, config.time_zone) == (7, "Europe/Berlin")


def test_a_table_is_merged_key_by_key(home: Path) -> None:
    write_file(home, "[database]\ntimeout_seconds = 5\n")

    config = load(home, SMART_CRON_DATABASE__URL="mysql://u:p@db/x")

    assert (config.database.timeout_seconds, config.database_url) == (5, "mysql://u:p@db/x")


@pytest.mark.parametrize(
    ("variable", "read"),
    [
        ("SMTP__CA_FILE", lambda config: config.smtp.ca_file),
        ("WEB__METRICS_KEY_FILE", lambda config: config.web.metrics_key_file),
    ],
)
def test_a_setting_whose_own_name_ends_in_file_is_no_secret_to_be_read(
    home: Path, variable: str, read: Callable[[Config], object]
) -> None:
    assert str(read(load(home, **{f"SMART_CRON_{variable}": "/nowhere/x"}))) == "/nowhere/x"


def test_a_secret_is_read_from_the_file_that_a_variable_names(home: Path, tmp_path: Path) -> None:
    secret = tmp_path / "url"
    secret.write_text("postgresql://u:p@db/x\n")

    config = load(home, SMART_CRON_DATABASE__URL_FILE=str(secret))

    assert config.database_url == "postgresql://u:p@db/x"


def test_script_directories_are_a_colon_list_in_the_environment(home: Path) -> None:
    config = load(home, SMART_CRON_SCRIPT_DIRECTORIES="/srv/a:/srv/b")

    assert config.script_directories == (Path("/srv/a"), Path("/srv/b"))


def test_a_running_task_s_own_variables_are_no_settings(home: Path) -> None:
    load(home, SMART_CRON_TASK="x", SMART_CRON_RUN_ID="y", SMART_CRON_ATTEMPT="1")


def test_all_faults_come_at_once_and_name_the_place(home: Path) -> None:
    path = write_file(home, 'max_concurent = 3\nmax_concurrent = 0\ntime_zone = "Mars/Base"\n')

    with pytest.raises(ConfigError) as caught:
        load(home)

    assert len(caught.value.problems) == 3
    assert "max_concurent is no setting" in str(caught.value)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("text", "environ", "problem", "cure"),
    [
        ('alert_mail = "x"\n', {}, "alert_mail is no setting; alert_email may be meant",
         "Rename alert_mail to alert_email in {}"),
        ("[smtp]\nhots = 1\n", {}, "smtp.hots is no setting; smtp.host may be meant",
         "Rename smtp.hots to smtp.host in {}"),
        ("[channels.a]\nkind = 'webhook'\nulr = 'x'\n", {}, "channels.a.ulr is no setting; channels.a.url may be meant",
         "Rename channels.a.ulr to channels.a.url in {}"),
        ("zzz = 1\n", {}, "zzz is no setting", "Take zzz out of {}"),
        ("max_concurrent = 0\n", {}, None, "Mend max_concurrent in {}"),
        ("", {"SMART_CRON_MAX_CONCURRENT": "0"}, None, "Mend SMART_CRON_MAX_CONCURRENT in the environment"),
        ("", {"SMART_CRON_DATABASE__UR": "x"}, "database.ur is no setting; database.url may be meant",
         "Rename SMART_CRON_DATABASE__UR to SMART_CRON_DATABASE__URL in the environment"),
    ],
)  # fmt: skip
def test_each_fault_has_a_cure_and_a_mistyped_name_the_one_that_was_meant(
    home: Path, text: str, environ: dict[str, str], problem: str | None, cure: str
) -> None:
    path = write_file(home, text)

    with pytest.raises(UnfitSettingsError) as caught:
        load(home, **environ)

    assert caught.value.cures == (cure.format(path),)
    assert problem is None or caught.value.problems == (problem,)


def test_a_file_that_others_can_read_only_is_no_obstacle_to_a_look(home: Path) -> None:
    write_file(home, "max_concurrent = 3\n", 0o644)

    assert load_config({"SMART_CRON_HOME": str(home)}, tolerates_readers=True).max_concurrent == 3
    (home / "smart-cron.toml").chmod(0o664)
    with pytest.raises(ConfigError, match="chmod 640"):
        load_config({"SMART_CRON_HOME": str(home)}, tolerates_readers=True)


def test_broken_toml_is_told_with_its_line(home: Path) -> None:
    write_file(home, "max_concurrent = \n")

    with pytest.raises(ConfigError, match=r"smart-cron\.toml is not valid TOML.*line 1"):
        load(home)


def test_security_33_no_password_is_ever_shown(home: Path) -> None:
    canary = "hunter2canary"
    config = load(home, SMART_CRON_DATABASE__URL=f"mysql://u:{canary}@db/x")

    assert canary not in str(config.shown()) + repr(config) + str(config)


def test_security_33_a_faulty_url_is_not_printed_back(home: Path) -> None:
    write_file(home, '[database]\nurl = ["mysql://u:hunter2canary@db/x"]\n')

    with pytest.raises(ConfigError) as caught:
        load(home)

    assert "hunter2canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://u:p@h/x", "mysql://u:***@h/x"),
        ("mysql://u:p@ss@h/x", "mysql://u:***@h/x"),
        ("postgresql://u@h/x", "postgresql://u@h/x"),
        ("sqlite:////tmp/x.db", "sqlite:////tmp/x.db"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_a_relative_home_is_one_problem_and_not_five() -> None:
    with pytest.raises(ConfigError, match="SMART_CRON_HOME must be an absolute path, got 'here'") as refused:
        load_config({"SMART_CRON_HOME": "here"})

    assert len(refused.value.problems) == 1


def test_a_relative_script_directory_is_refused(home: Path) -> None:
    write_file(home, 'script_directories = ["jobs"]\n')

    with pytest.raises(ConfigError, match="'jobs' is not an absolute path"):
        load(home)


def test_settings_for_everyone_that_cannot_even_be_looked_for_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(type(Path())):  # type: ignore[misc]
        def exists(self) -> bool:
            raise PermissionError(13, "Permission denied")

        def open(self, *_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("smart_cron.config.SYSTEM_FILE", Closed("/etc/smart-cron/smart-cron.toml"))

    with pytest.raises(ConfigError, match="cannot be read by this user"):
        load_config({})


def test_a_silence_that_no_heartbeat_can_prevent_is_refused_without_showing_a_password(home: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            home,
            SMART_CRON_NODE_SILENCE_SECONDS="9",
            SMART_CRON_HEARTBEAT_SECONDS="5",
            SMART_CRON_DATABASE__URL="mysql://u:hunter2@db/x",
        )

    assert "node_silence_seconds (9) must be at least twice heartbeat_seconds (5)" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_tags_are_a_list_or_separated_by_commas(home: Path) -> None:
    write_file(home, 'node_tags = ["gpu", "eu-1"]\n')

    assert load(home).node_tags == ("gpu", "eu-1")
    assert load(home, SMART_CRON_NODE_TAGS="cpu,big").node_tags == ("cpu", "big")
    with pytest.raises(ConfigError, match="'a b' is no tag"):
        load(home, SMART_CRON_NODE_TAGS="a b")


@pytest.mark.parametrize(
    ("settings", "days"),
    [({}, 180), ({"executions_days": 1000}, 1000), ({"alerts_days": 0}, None), ({"keep_runs": 101}, None)],
)
def test_the_servers_own_clean_up_spares_what_the_settings_keep(settings: dict[str, int], days: int | None) -> None:
    assert RetentionConfig(**settings).spared_days() == days
