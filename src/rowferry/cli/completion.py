"""`rowferry completion`: what a shell needs to complete commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    r"""
    Print the completions of a shell.

    \b
        eval "$(rowferry completion bash)"           in ~/.bashrc
        eval "$(rowferry completion zsh)"            in ~/.zshrc
        rowferry completion fish | source            in ~/.config/fish/config.fish
    """
    root = click.get_current_context().find_root().command
    complete = get_completion_class(shell)
    if complete is None:
        raise click.UsageError(f"no completions for {shell}")
    click.echo(complete(root, {}, "rowferry", "_ROWFERRY_COMPLETE").source())
    return 0
