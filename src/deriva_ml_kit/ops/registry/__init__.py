"""Models under names, and the stages of their life, with the catalog as the register.

stages        which steps there are, and what follows from those that were taken (pure)
events        the steps in the catalog: read, and added without two ever taking the same number
serving       which model of a name is, or was, in service
links         what belongs to a model, and what of it is missing
registration  a model gets a name, if nothing is missing
moving        from stage to stage: promotion and rollback
lineage       a page that shows where a model comes from, and what became of it
"""

from deriva_ml_kit.ops.registry.events import Overtaken, state_of
from deriva_ml_kit.ops.registry.serving import Serving, serving
from deriva_ml_kit.ops.registry.stages import Event, Model, State, Step, fold

__all__ = ["Event", "Model", "Overtaken", "Serving", "State", "Step", "fold", "serving", "state_of"]
