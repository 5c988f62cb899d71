"""What the standards print, by their sections."""

from __future__ import annotations

from typing import Any

FORM = "application/x-www-form-urlencoded"

#: RFC 6749 section 2.3.1, and wherever a client authenticates.
CLIENT, SECRET, BASIC = "s6BhdRkqt3", "gX1fBat3bV", "Basic czZCaGRSa3F0MzpnWDFmQmF0M2JW"

#: RFC 7009 section 2.1.
REVOCATION = {
    "headers": {"Content-Type": FORM, "Authorization": BASIC},
    "data": "token=45ghiukldjahdnhzdauz&token_type_hint=refresh_token",
}

#: RFC 7662 section 2.1, with a bearer token and with client authentication.
INTROSPECTION_BY_BEARER = {
    "headers": {
        "Accept": "application/json",
        "Content-Type": FORM,
        "Authorization": "Bearer 23410913-abewfq.123483",
    },
    "data": "token=2YotnFZFEjr1zCsicMWpAA",
}
INTROSPECTION_BY_CLIENT = {
    "headers": {"Accept": "application/json", "Content-Type": FORM, "Authorization": BASIC},
    "data": "token=mF_9.B5f-4.1JqM&token_type_hint=access_token",
}
#: Section 2.2, but for an extension of the server's own.
INTROSPECTED = {
    "active": True,
    "client_id": "l238j323ds-23ij4",
    "username": "jdoe",
    "scope": "read write dolphin",
    "sub": "Z5O3upPC88QrAjx00dis",
    "aud": "https://protected.example.net/resource",
    "iss": "https://server.example.com/",
    "exp": 1419356238,
    "iat": 1419350238,
}

BACKCHANNEL = "http://schemas.openid.net/event/backchannel-logout"
#: OpenID Connect Back-Channel Logout 1.0 section 2.4.
LOGOUT_TOKEN: dict[str, Any] = {
    "iss": "https://server.example.com",
    "sub": "248289761001",
    "aud": "s6BhdRkqt3",
    "iat": 1471566154,
    "exp": 1471569754,
    "jti": "bWJq",
    "sid": "08a5019c-17e1-4977-8f42-65a12843ea02",
    "events": {BACKCHANNEL: {}},
}

#: RFC 8417 section 2.1.1, of a kind that has nothing to do with sessions.
PASSWORD_RESET: dict[str, Any] = {
    "iss": "https://scim.example.com",
    "iat": 1458496025,
    "jti": "3d0c3cf797584bd193bd0fb1bd4e7d30",
    "aud": [
        "https://jhub.example.com/Feeds/98d52461fa5bbc879593b7754",
        "https://jhub.example.com/Feeds/5d7604516b1d08641d7676ee7",
    ],
    "sub": "https://scim.example.com/Users/44f6142df96bd6ab61e7521d9",
    "events": {
        "urn:ietf:params:scim:event:passwordReset": {"id": "44f6142df96bd6ab61e7521d9"},
        "https://example.com/scim/event/passwordResetExt": {"resetAttempts": 5},
    },
}
#: Section 2.4, likewise.
CREATION: dict[str, Any] = {
    "iss": "https://scim.example.com",
    "iat": 1458496404,
    "jti": "4d3559ec67504aaba65d40b0363faad8",
    "aud": [
        "https://scim.example.com/Feeds/98d52461fa5bbc879593b7754",
        "https://scim.example.com/Feeds/5d7604516b1d08641d7676ee7",
    ],
    "events": {
        "urn:ietf:params:scim:event:create": {
            "ref": "https://scim.example.com/Users/44f6142df96bd6ab61e7521d9",
            "attributes": ["id", "name", "userName", "password", "emails"],
        }
    },
}

SESSION_REVOKED = "https://schemas.openid.net/secevent/caep/event-type/session-revoked"
_REVOKED: dict[str, Any] = {
    "iss": "https://idp.example.com/123456789/",
    "jti": "24c63fb56e5a2d77a6b512616ca9fa24",
    "iat": 1615305159,
    "aud": "https://sp.example.com/caep",
    "txn": "8675309",
}
#: OpenID Continuous Access Evaluation Profile 1.0 section 3.1.2: an opaque subject.
OPAQUE = _REVOKED | {
    "sub_id": {"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"},
    "events": {SESSION_REVOKED: {"event_timestamp": 1615304991}},
}
#: The same section: a complex subject, and the optional members.
COMPLEX = _REVOKED | {
    "sub_id": {
        "format": "complex",
        "session": {"format": "opaque", "id": "dMTlD|1600802906337.16|16008.16"},
        "user": {
            "format": "iss_sub",
            "iss": "https://idp.example.com/123456789/",
            "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc",
        },
        "tenant": {"format": "opaque", "id": "123456789"},
    },
    "events": {
        SESSION_REVOKED: {
            "initiating_entity": "policy",
            "reason_admin": {"en": "Landspeed Policy Violation: C076E82F"},
            "reason_user": {
                "en": "Access attempt from multiple regions.",
                "es-410": "Intento de acceso desde varias regiones.",
            },
            "event_timestamp": 1615304991,
        }
    },
}
#: The same section: a user, a device and a tenant.
DEVICE = _REVOKED | {
    "sub_id": {
        "format": "complex",
        "user": {
            "format": "iss_sub",
            "iss": "https://idp.example.com/123456789/",
            "sub": "99beb27c-c1c2-4955-882a-e0dc4996fcbc",
        },
        "device": {
            "format": "iss_sub",
            "iss": "https://idp.example.com/123456789/",
            "sub": "e9297990-14d2-42ec-a4a9-4036db86509a",
        },
        "tenant": {"format": "opaque", "id": "123456789"},
    },
    "events": {
        SESSION_REVOKED: {
            "initiating_entity": "policy",
            "reason_admin": {"en": "Policy Violation: C076E822"},
            "reason_user": {
                "en": "This device is no longer compliant.",
                "it": "Questo dispositivo non è più conforme.",
            },
            "event_timestamp": 1615304991,
        }
    },
}
#: RFC 9493 section 3.2.4, and Shared Signals Framework 1.0 section 3.3, of that issuer.
ISS_SUB = OPAQUE | {
    "sub_id": {"format": "iss_sub", "iss": "https://idp.example.com/123456789/", "sub": "145234573"}
}
JWT_ID = OPAQUE | {
    "sub_id": {
        "format": "jwt_id",
        "iss": "https://idp.example.com/123456789/",
        "jti": "B70BA622-9515-4353-A866-823539EECBC8",
    }
}
