"""What a recipe learns: the person in a crop, everybody in a picture, or where people are. A file a task."""

from poseapp.train.recipes import Recipe
from poseapp.train.tasks.base import Items, Score, Task
from poseapp.train.tasks.bottom_up import BottomUpTask
from poseapp.train.tasks.detection import DetectionTask
from poseapp.train.tasks.person import PersonTask

__all__ = ["Items", "Score", "Task", "task_of"]


def task_of(recipe: Recipe) -> Task:
    """The task of *recipe*."""
    match recipe.task:
        case "person":
            return PersonTask(recipe)
        case "bottom-up":
            return BottomUpTask(recipe)
        case "detection":
            return DetectionTask(recipe)
