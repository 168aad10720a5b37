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
    "smoke": "2f8141c8256a6299877008e95f6b3fa352d63eb9199e422a00b3e7f6ebf93623",
    "demo": "dc18a33d9ac57caf8ae0f9cb0eb6882a8bec86058b4c27651532e1b6c5e02da9",
    "study": "00476b3ee4589ceb34e48f8254e1a85f88a8a8f761d6b4f339535884d4321c6a",
    "paper": "2c0e9cdabad7f1acc58aab3e1f0666a1b5150dd84d67a70351b64487e37c36d5",
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
        "dmgnn", "traj_gcn", "simlpe", "stga_net.paper", "stga_net.faithful", "stga_net",
    )  # fmt: skip
    assert PROFILES["study"].rows == PROFILES["paper"].rows == expected
