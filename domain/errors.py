"""Operating errors by situation. Programmer's errors are not here: they stop the process."""


class EquipwatchError(Exception):
    """Base of every error that a user or a peer can cause."""


class NotFoundError(EquipwatchError):
    """The thing asked for does not exist, or the asker may not know that it does."""


class ConflictError(EquipwatchError):
    """The request does not fit the present state, such as a transition that the table forbids."""


class UsageError(EquipwatchError):
    """The request or the configuration is wrong in itself; the text says how to mend it."""


class DependencyError(EquipwatchError):
    """A broker, database or receiver cannot be reached or refused to work."""
