"""Events, as they were told; newest first, for as long as this file lives."""

from deploy.local.stripe.reading import list_of, retrieve

OPERATIONS = {
    "GET /v1/events/{id}": retrieve("event"),
    "GET /v1/events": list_of("event", "/v1/events", {"type": "type", "types": "type"}),
}
