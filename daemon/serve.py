"""`rigd serve`: from a rig file to a service that runs until it is told to stop."""

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

from rigd.config.faults import ConfigurationError
from rigd.config.load import load_rig
from rigd.daemon.control import Control, ControlError
from rigd.daemon.curve_keys import KeysError
from rigd.daemon.exit_codes import BAD_CONFIGURATION, FAILED, GOOD
from rigd.daemon.instance_lock import SecondServiceError, lock_for_service
from rigd.daemon.logs import configure_logs, print_fault
from rigd.daemon.metrics_server import MetricsServer
from rigd.daemon.one_arena import use_one_arena
from rigd.daemon.runtime_folder import RuntimeFolderError
from rigd.daemon.service import Service
from rigd.daemon.service_folder import service_folder
from rigd.daemon.service_manager import ServiceManager
from rigd.daemon.session_folder import DataRootError, check_data_root
from rigd.daemon.unix_signals import Signals
from rigd.streams.registry import InstalledDrivers

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(rig_file: Path, runtime_directory: Path | None) -> int:
    """Run the service; see `rigd serve --help`.

    Returns 0 after a regular end; 1: it can't work here now; 78: bad configuration,
    where starting again does not help.
    """
    use_one_arena()
    configure_logs(sys.stderr, os.environ)
    try:
        _serve(rig_file, runtime_directory)
    except (ConfigurationError, DataRootError, KeysError) as error:
        return _fail(error, BAD_CONFIGURATION)
    except (SecondServiceError, ControlError, RuntimeFolderError, OSError) as error:
        return _fail(error, FAILED)
    return GOOD


def _serve(rig_file: Path, runtime_directory: Path | None) -> None:
    catalogue = InstalledDrivers()
    rig = load_rig(rig_file, catalogue)
    check_data_root(rig.data_root)
    folder = service_folder(os.environ, runtime_directory)
    with (
        Signals(SIGNALS) as signals,
        closing(ServiceManager(os.environ)) as manager,
        lock_for_service(folder),
        lock_for_service(rig.data_root) as data_root_lock,
        closing(Control(folder, rig.control)) as control,
        closing(
            Service(
                rig_file,
                rig,
                folder=folder,
                data_root_lock=data_root_lock,
                control=control,
                catalogue=catalogue,
                notifier=manager,
            )
        ) as service,
        closing(MetricsServer(rig.metrics, lambda: service.latest)),
    ):
        service.run(signals)


def _fail(error: Exception, code: int) -> int:
    print_fault(error)
    return code
