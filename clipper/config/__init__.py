"""Options: one small frozen object per component, the unit in each name, validated where it is created.

`load_config` makes them from the command line, the environment and a TOML file. The process that starts Clipper writes
the effective configuration to ``<run_dir>/config.json``; every other process of that instance reads its own part from
there, so all of them agree and none parses a long command line.
"""

from __future__ import annotations

from clipper.config.control_path import LogConfig, ManagementConfig, SupervisorConfig
from clipper.config.data_path import CoreConfig, FrontendConfig, RpcConfig
from clipper.config.docker import DockerConfig
from clipper.config.document import parse_config, read_config
from clipper.config.instance import CONFIG_FILE_NAME, CONTROL_SOCKET_NAME, MAX_SOCKET_PATH_BYTES, ClipperConfig
from clipper.config.keys import Key, keys
from clipper.config.loader import LoadedConfig, load_config
from clipper.config.locations import default_run_dir, find_config_file
from clipper.config.network import HttpConfig, ListenConfig, is_loopback
from clipper.config.rendering import Row, config_toml, effective_rows, example_toml, masked, value_of
from clipper.config.security import SecurityConfig
from clipper.config.sources import Origin, SourceKind
from clipper.config.storage import StateConfig, without_password

__all__ = [
    "CONFIG_FILE_NAME",
    "CONTROL_SOCKET_NAME",
    "MAX_SOCKET_PATH_BYTES",
    "ClipperConfig",
    "CoreConfig",
    "DockerConfig",
    "FrontendConfig",
    "HttpConfig",
    "Key",
    "ListenConfig",
    "LoadedConfig",
    "LogConfig",
    "ManagementConfig",
    "Origin",
    "Row",
    "RpcConfig",
    "SecurityConfig",
    "SourceKind",
    "StateConfig",
    "SupervisorConfig",
    "config_toml",
    "default_run_dir",
    "effective_rows",
    "example_toml",
    "find_config_file",
    "is_loopback",
    "keys",
    "load_config",
    "masked",
    "parse_config",
    "read_config",
    "value_of",
    "without_password",
]
