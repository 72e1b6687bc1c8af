"""The tables of the original PHP system, taken over on MariaDB or MySQL.

Its tables are put aside under `<name>_php`, all at once; ours are made, and filled from them. Nothing of the originals
is changed or lost. Statements that make tables cannot be taken back there, so how far it is stands in the tables
themselves, and a call that was cut short goes on from there: put aside (there is `smart_cron_tasks_config_php`, and no
audit row of an adoption), made (every migration applied), filled (the highest number of each table).
"""
