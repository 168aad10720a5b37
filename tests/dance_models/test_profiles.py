"""What each profile trains, pinned: the checkpoints of a store depend on it."""

import hashlib
import json
from typing import Final

import pytest

from dance_models.config import identity
from dance_models.profiles import PROFILES
from dance_models.rows import HEADLINE, ROWS

# Digests of the network configurations. A change makes every store train again; if intended,
# note it in the changelog.
DIGESTS: Final = {
    "smoke": "a42387f179813cfb5911348470c84484e40e26100242c10076966e885a63640c",
    "demo": "0cc50afbbb322f26473f8f8df3d7db2852091ef81dda8e69359b0fa70aede2f8",
    "study": "a72a02da80f37495d0194cb48a3c9b8cc6a05d249c8093e797b0545c619e05db",
    "paper": "d6bc5c2583b116ebfd8db866cb9fe127cd4f7057011ecb150903055f41a4c7f8",
}


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_no_network_of_a_profile_changed(name: str) -> None:
    networks = {
        method: [type(experiment).__name__, type(experiment.net).__name__, identity(experiment)]
        for method, experiment in PROFILES[name].networks.items()
    }
    text = json.dumps(networks, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == DIGESTS[name]


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_every_profile_can_train_every_row(name: str) -> None:
    networks = PROFILES[name].networks
    assert list(networks) == [row.id for row in ROWS]
    for row in ROWS:
        assert type(networks[row.id]) is type(row.experiment)
        if row.pretraining_asset:
            assert networks[row.id] == networks[row.network]


def test_short_profiles_compare_the_headline_networks() -> None:
    assert PROFILES["smoke"].rows == PROFILES["demo"].rows == HEADLINE


def test_long_profiles_compare_all_rows_except_ablations_and_fine_tuned_ones() -> None:
    expected = (
        "smoothnet", "hbrnn", "hrnet", "st_gcn", "mlp", "mkff_st_gcn.paper", "mkff_st_gcn.faithful",
        "mkff_st_gcn.frame_split", "mkff_st_gcn", "t_gcn", "t_gcn_residual", "t_gcn_velocity",
        "dmgnn", "traj_gcn", "simlpe", "eqmotion", "stga_net.paper", "stga_net.faithful",
        "stga_net",
    )  # fmt: skip
    assert PROFILES["study"].rows == PROFILES["paper"].rows == expected
