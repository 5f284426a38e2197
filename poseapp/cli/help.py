"""How `--help` speaks: what an option takes, its bounds and its default, in words that are not those of a programmer."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand, TyperGroup

SHOW_HELP = "Show this text."


class PlainCommand(TyperCommand):
    """A command whose help is plain text; each of its options has a ``metavar`` that says what it takes."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments and options; click calls it for --help."""
        _write(self, ctx, formatter)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the command's name in its usage line, the optional in brackets; click calls it."""
        arguments = [one for one in self.get_params(ctx) if one.param_type_name == "argument"]
        return ["[OPTIONS]", *(str(one.metavar) if one.required else f"[{one.metavar}]" for one in arguments)]


class PlainGroup(TyperGroup):
    """A group of PlainCommands."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What follows the group's name in its usage line; click calls it."""
        return ["[OPTIONS]", "COMMAND …" if not self.invoke_without_command else "[COMMAND …]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands with their whole first sentence, and the options; click calls it for --help."""
        commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, one.get_short_help_str(limit=400)) for name, one in commands if one is not None and not one.hidden]
            )
        _write(self, ctx, formatter)


def describe(parameter: Any) -> tuple[str, str]:
    """An argument's or option's names with what it takes, and its help with bounds and default."""
    takes = "" if getattr(parameter, "is_flag", False) else parameter.metavar
    option = parameter.param_type_name == "option"
    names = " ".join(part for part in (", ".join(sorted(parameter.opts, key=len)) if option else "", takes) if part)
    text = SHOW_HELP if parameter.opts == ["--help"] else parameter.help
    facts = [text, _bounds(parameter), "Required." if parameter.required else _default(parameter)]
    return names, " ".join(fact for fact in facts if fact)


def _write(command: Any, ctx: Any, formatter: Any) -> None:
    """The parameters in sections: arguments, options, and options with a ``rich_help_panel`` under its title."""
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": []}
    for one in command.get_params(ctx):
        if not getattr(one, "hidden", False):
            title = "Arguments" if one.param_type_name == "argument" else getattr(one, "rich_help_panel", None) or "Options"
            sections.setdefault(title, []).append(describe(one))
    for title, rows in sections.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def _bounds(parameter: Any) -> str:
    """The numbers that it takes; newer versions of typer keep them in the parameter, older ones in its type."""
    keeper = parameter if hasattr(parameter, "min") else parameter.type
    low, high = getattr(keeper, "min", None), getattr(keeper, "max", None)
    if low is not None and high is not None:
        return f"From {low:g} to {high:g}."
    if high is not None:
        return f"At most {high:g}."
    return f"At least {low:g}." if low is not None and low > 0 else ""  # the help itself explains 0 and -1


def _default(parameter: Any) -> str:
    """What stands for an option that is left out: the words of ``show_default``, else its value."""
    if isinstance(parameter.show_default, str):
        return f"Default: {parameter.show_default}."
    value = parameter.default
    if not parameter.show_default or value is None or value is False or value == "":
        return ""
    return f"Default: {value:g}." if isinstance(value, (int, float)) else f"Default: {value}."
