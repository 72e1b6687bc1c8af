"""`/api/v1`: what the pages and the commands can do, for programs; described by OpenAPI 3.1.

One file a resource. Each operation says who may use it (`access.needs`); one that does not is refused when the API is
built. Documents have the names of the tables' columns, as the commands' `--json` has. Errors are problem details
(RFC 9457). Whoever asks is known by an API key, or by the session of a page, which then needs its CSRF token.
"""
