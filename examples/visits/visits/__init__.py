"""A small service that counts visits by country, built as a system of components.

`system.yaml`, in the folder above, says what the components are and how they hold together; read it first. `system` makes
a definition of it. Each other module holds one part:

* `process`: environment variables and warnings, which all parts share;
* `events`: the event log, lines written by a thread of its own;
* `database`: PostgreSQL itself and the connection pool;
* `store`: the table of visits, and all the SQL there is;
* `geo`: the country of an address, looked up offline;
* `worker`: the background worker that fills the countries in;
* `web` and `page`: the HTTP interface and what it shows.
"""

from __future__ import annotations
