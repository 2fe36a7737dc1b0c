"""Single files that a run reads, by RID, such as weights to start from.

store(["3-WXYZ"], group="assets", name="weights")      chosen by `assets=weights`
"""

from hydra_zen import store

store([], group="assets", name="default_asset")
