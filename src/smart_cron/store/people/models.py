"""Tables of who may log in, by a password or by a key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from smart_cron.core.people import Person, Role
from smart_cron.store.fields import BigInt, Instant, LongText, Varchar

ROLES = [(str(role), role.value) for role in Role]


class UserManager(BaseUserManager["User"]):
    """Makes users; names are compared byte by byte."""

    def create(self, **values: object) -> User:
        """Refuse: a user without a hashed password is a mistake."""
        raise NotImplementedError

    def make(self, name: str, password: str | None, *, role: Role, email: str = "") -> User:
        """Make a user; one without a password can log in once a password was set."""
        user: User = self.model(username=name, role=str(role), email=email)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def is_taken(self, name: str) -> bool:
        """Whether somebody is called so, be it in other letters, small for capital: nobody could tell the two apart."""
        return self.annotate(small=Lower("username")).filter(small=name.lower()).exists()


class User(AbstractBaseUser):
    """Somebody who may log in. `task_groups` is a JSON list of the groups that they are let near, NULL all."""

    username = Varchar(max_length=150, unique=True)
    email = Varchar(max_length=255, db_default="", default="")
    role = Varchar(max_length=20, choices=ROLES, db_default=str(Role.VIEWER), default=str(Role.VIEWER))
    task_groups: str | None = LongText(null=True)  # type: ignore[assignment]
    is_active: bool = models.BooleanField(default=True)  # type: ignore[assignment]
    # Whether they must have a second factor before they see anything.
    needs_second_factor: bool = models.BooleanField(default=False)  # type: ignore[assignment]
    date_joined = Instant(auto_now_add=True)
    # Goes up when all sessions are to end, those among them that nobody has counted.
    session_epoch: int = models.IntegerField(default=0, db_default=0)  # type: ignore[assignment]

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []
    objects: ClassVar[UserManager] = UserManager()

    class Meta:
        db_table = "smart_cron_users"

    def __str__(self) -> str:
        return str(self.username)

    def get_session_auth_hash(self) -> str:
        """Return what a session must carry to be this user's: another password, or another epoch, ends all of them."""
        kept = f"{self.password}:{self.session_epoch}"
        return str(salted_hmac("smart_cron.sessions", kept, algorithm="sha256").hexdigest())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        """Return none: there are no older keys that sessions were signed with."""
        return iter(())

    @property
    def person(self) -> Person:
        """Return who this is as a value."""
        groups = None if self.task_groups is None else frozenset(json.loads(self.task_groups))
        return Person(id=self.pk, name=str(self.username), role=Role(self.role), groups=groups)


class ApiKey(models.Model):
    """A key for the API. Of the key only its SHA-256 is kept, and its beginning to tell keys apart."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    user: models.ForeignKey[User, User] = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    label = Varchar(max_length=100)
    prefix = Varchar(max_length=16, unique=True)
    key_hash = Varchar(max_length=64)
    # A role beneath or equal to the user's own; what it may do is the lesser of both.
    role = Varchar(max_length=20, choices=ROLES)
    created_at = Instant(auto_now_add=True)
    expires_at: datetime | None = Instant(null=True)  # type: ignore[assignment]
    last_used_at: datetime | None = Instant(null=True)  # type: ignore[assignment]
    revoked_at: datetime | None = Instant(null=True)  # type: ignore[assignment]

    class Meta:
        db_table = "smart_cron_api_keys"


class Identity(models.Model):
    """Whom a provider of OpenID Connect knows as one of our users. `identity_hash` is of issuer and subject."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    user: models.ForeignKey[User, User] = models.ForeignKey(User, on_delete=models.CASCADE, related_name="identities")
    identity_hash = Varchar(max_length=64, unique=True)
    issuer = Varchar(max_length=255)
    subject = Varchar(max_length=255)
    created_at = Instant(auto_now_add=True)

    class Meta:
        db_table = "smart_cron_identities"


class OnceKey(models.Model):
    """What somebody asked for under a key, so that it is done once however often it is asked for; for a day."""

    id: models.BigAutoField[int, int] = models.BigAutoField(primary_key=True)
    key_hash = Varchar(max_length=64, unique=True)
    question_hash = Varchar(max_length=64)
    number = BigInt(db_default=0, default=0)
    created_at = Instant(db_index=True)

    class Meta:
        db_table = "smart_cron_once_keys"
