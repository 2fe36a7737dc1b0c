"""A workflow file for the user's project: the pipeline on a schedule, by hand, and when configs are pushed.

The catalog is reached from a runner of the user's own (a catalog on a laptop is reached from no other machine), or from
any runner where it is a DERIVA host; the login then comes from a secret. Nobody is promoted: the last stage proposes.
"""

from __future__ import annotations

import json
import shlex

from deriva_ml_kit.ops.pipeline.definition import Pipeline

# Written by `deriva-ml-ops`; the names in braces of two are filled in by the runner, those of one by us.
TEXT = """\
# Written by `deriva-ml-ops run-pipeline {file} --write-ci`; edit it as you like.
#
# variables of the repository   DERIVA_HOST, DERIVA_CATALOG  where they are not those of src/configs/catalog.json
# secrets of the repository     DERIVA_CREDENTIAL            the text of ~/.deriva/credential.json of a service account;
#                                                            leave it out on a runner that is logged in
name: Train {name}

on:
  workflow_dispatch:
  schedule:
    - cron: {cron}
  push:
    branches: [main]
    paths:
{paths}

# One at a time, and never cut short: a run that is cancelled leaves its stage to the next one.
concurrency:
  group: pipeline-{name}
  cancel-in-progress: false

permissions:
  contents: {contents}

jobs:
  pipeline:
    runs-on: {runner}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: astral-sh/setup-uv@v6
      - run: uv sync --frozen
      - name: Log in
        env:
          DERIVA_CREDENTIAL: ${{{{ secrets.DERIVA_CREDENTIAL }}}}
        run: |
          if [ -n "$DERIVA_CREDENTIAL" ]; then
            install -d -m 700 ~/.deriva
            (umask 077; printf '%s' "$DERIVA_CREDENTIAL" > ~/.deriva/credential.json)
          fi
      - name: Run what has changed
        env:
          DERIVA_HOST: ${{{{ vars.DERIVA_HOST }}}}
          DERIVA_CATALOG: ${{{{ vars.DERIVA_CATALOG }}}}
        run: |
          git config user.name "pipeline {name}"
          git config user.email "pipeline@localhost"
          uv run --frozen deriva-ml-ops run-pipeline {file} \\
            ${{DERIVA_HOST:+--hostname "$DERIVA_HOST"}} \\
            ${{DERIVA_CATALOG:+--catalog-id "$DERIVA_CATALOG"}}
{push}"""
# Executions name the commits of pins, so these have to be where others find them, also after a failure.
PUSH = """\
      - name: Keep the commits that stages have made
        if: always()
        env:
          BRANCH: ${{ github.ref_name }}
        run: git push origin "HEAD:$BRANCH"
"""
PATHS = ("src/configs/**", "src/models/**", "src/scripts/**", "uv.lock")


def workflow_file(pipeline: Pipeline, file: str, *, schedule: str, runner: str) -> str:
    """The text of the workflow file.

    Args:
        pipeline: The pipeline.
        file: Its file, relative to the project.
        schedule: A cron line, in UTC.
        runner: Label of the machine that it runs on.
    """
    commits = bool(pipeline.committed)
    text = TEXT.format(
        file=shlex.quote(file),
        name=pipeline.name,
        cron=json.dumps(schedule),
        paths="\n".join(f"      - {json.dumps(path)}" for path in dict.fromkeys((file, *PATHS))),
        contents="write" if commits else "read",
        runner=json.dumps(runner),
        push=PUSH if commits else "",
    )
    return text.rstrip("\n") + "\n"
