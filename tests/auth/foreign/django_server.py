"""A token server of django-oauth-toolkit, with one path that its tokens open. gunicorn runs it."""

from __future__ import annotations

import hashlib
import json
import os
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils import timezone

settings.configure(
    SECRET_KEY="only for tests",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["127.0.0.1"],
    USE_TZ=True,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["FOREIGN_DATABASE"],
            "OPTIONS": {"timeout": 30},
        }
    },
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "oauth2_provider"],
    OAUTH2_PROVIDER={
        "ACCESS_TOKEN_EXPIRE_SECONDS": int(os.environ["FOREIGN_LIFETIME_SECONDS"]),
        "SCOPES": {"write": "update units"},
    },
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
)
django.setup()

from django.core.management import call_command  # noqa: E402 - only after the set-up
from oauth2_provider.models import get_access_token_model, get_application_model  # noqa: E402
from oauth2_provider.views import TokenView  # noqa: E402


def update(request: HttpRequest, development_id: str) -> JsonResponse:
    """Take whatever comes with a token that is valid."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    checksum = hashlib.sha256(token.encode()).hexdigest()
    valid = get_access_token_model().objects.filter(
        token_checksum=checksum, expires__gt=timezone.now()
    )
    if not valid.exists():
        return JsonResponse({"message": "Unauthenticated."}, status=401)
    return JsonResponse({"development_id": development_id, **json.loads(request.body)})


urlpatterns = [
    path("oauth/token", TokenView.as_view()),
    path("v1/developments/<development_id>/units/update-by-name", update),
]


def prepare() -> None:
    """Make the database and its one client."""
    call_command("migrate", verbosity=0)
    application: Any = get_application_model()
    application.objects.create(
        client_id="4242",
        client_secret="s3cret",
        client_type=application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=application.GRANT_CLIENT_CREDENTIALS,
        name="tests",
    )


application = get_wsgi_application()

if __name__ == "__main__":
    prepare()
