"""A worker that is there to be killed. Writes down when it began and ended which job."""

import asyncio
import os
import sys

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from privity_jobs import Job, RetryLater, Worker


async def main(url: str, lease: str) -> None:
    engine = create_async_engine(url)

    async def work(job: Job) -> None:
        run = {"job": job.id, "pid": os.getpid()}
        async with engine.begin() as connection:
            await connection.execute(
                text("INSERT INTO runs VALUES (:job, :pid, clock_timestamp())"), run
            )
        try:
            await asyncio.sleep(job.payload["milliseconds"] / 1000)
        finally:
            async with engine.begin() as connection:
                await connection.execute(
                    text(
                        "UPDATE runs SET ended = clock_timestamp() WHERE job = :job AND pid = :pid"
                        " AND ended IS NULL"
                    ),
                    run,
                )
        if job.payload.get("then") == "retry":
            raise RetryLater("asked")

    await Worker(engine, {"work": work}, lease=float(lease), poll=0.1, lane_limit=16).run()


asyncio.run(main(*sys.argv[1:]))
