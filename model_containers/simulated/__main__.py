"""``python -m model_containers.simulated``."""

import sys

from model_containers import serve
from model_containers.settings import EXIT_SETTINGS, SettingsError
from model_containers.simulated.container import SimulatedContainer, SimulatedSettings

try:
    simulated = SimulatedSettings.from_environment()
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(EXIT_SETTINGS)
serve(SimulatedContainer(simulated))
