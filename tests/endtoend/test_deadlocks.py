"""Deadlocks: the database ends one of two transactions that wait for each other, and the client hears nothing of it."""

import contextlib
import threading

import pytest

from harness import Server, databases, wait_for

WAITING = {databases.POSTGRESQL: "SELECT count(*) FROM pg_locks WHERE NOT granted",
           databases.MARIADB: "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"}
DEADLOCKS = {databases.POSTGRESQL: "SELECT sum(deadlocks) FROM pg_stat_database",
             databases.MARIADB: "SELECT variable_value FROM information_schema.global_status "
                                "WHERE variable_name = 'Innodb_deadlocks'"}


def number(database, sql):
    ((found,),) = database.rows(None, sql, ())
    return int(found)


@contextlib.contextmanager
def stubborn(database):
    """A transaction of somebody else, whom the database does not choose for its victim."""
    with database.connect() as connection, connection.cursor() as cursor:
        if database.kind == databases.POSTGRESQL:
            cursor.execute("SET deadlock_timeout = '1min'")
        cursor.execute("BEGIN")
        # The one that has changed more is spared.
        for row in range(100):
            cursor.execute("INSERT INTO purged_images (id, purged_at) VALUES (%s, 0)", (f"row {row}",))
        yield cursor
        cursor.execute("ROLLBACK")


@pytest.mark.parametrize("kind", [databases.POSTGRESQL, databases.MARIADB])
def test_a_deadlock_is_no_news_to_clients(tmp_path, kind):
    """An upload that holds its image and waits for the quota meets somebody who has that and waits for the image."""
    config = tmp_path / "vitrine.conf"
    config.write_text("[DEFAULT]\nuser_storage_quota = 1GB\n")
    database = databases.fresh(kind)
    with Server(tmp_path / "data", database=database, arguments=["--config-file", config]) as server:
        server.put(server.create(), b"data").expect(204)
        image, before, answers = server.create(), number(database, DEADLOCKS[kind]), []
        upload = threading.Thread(target=lambda: answers.append(server.put(image, b"data").status))
        with stubborn(database) as other:
            other.execute("SELECT * FROM quota_accounts FOR UPDATE")
            upload.start()
            wait_for("the upload waits", lambda: number(database, WAITING[kind]))
            other.execute("UPDATE images SET min_ram = 0 WHERE id = %s", (image,))
        upload.join()
        assert answers == [204]
        assert server.show(image)["status"] == "active"
        wait_for("the database has counted it", lambda: number(database, DEADLOCKS[kind]) > before)
