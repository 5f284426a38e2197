"""Training recipes, a file a family. RECIPES holds them all, by name."""

from poseapp.train.recipes import cpm, detector, hourglass, hrnet, openpose
from poseapp.train.recipes.base import Phase, Precision, Recipe, Supervision, TaskName, override

__all__ = ["RECIPES", "Phase", "Precision", "Recipe", "Supervision", "TaskName", "override"]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe for family in (hourglass, hrnet, cpm, openpose, detector) for recipe in family.RECIPES
}
