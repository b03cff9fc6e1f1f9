"""The part of Stripe that Rekindle uses, in one SQLite file, for development and tests.

Stripe's own library drives it. Run it with `uvicorn deploy.local.stripe.app:create_app --factory`.
"""
