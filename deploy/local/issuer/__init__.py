"""A stand-in for Auth0 on one machine: real login pages, real tokens, no outside.

    browser ──/authorize──▶ login page ──code──▶ the app ──/oauth/token──▶ tokens

Addresses, errors and token contents are shaped like Auth0's, so that settings alone decide which of
the two a program talks to. Users, keys and refresh tokens survive a restart; codes, sessions and
mail do not. Run it with `uvicorn deploy.local.issuer.app:create_app --factory`.
"""
