"""`python -m smart_cron` is `smart-cron`."""

from smart_cron.faces.cli.main import main

if __name__ == "__main__":
    main()
