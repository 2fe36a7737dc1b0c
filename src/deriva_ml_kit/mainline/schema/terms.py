"""The terms that a catalog starts with: those of both generations, and `Annotation`, which neither has.

`Execution_Status` holds the words of both, since `Execution.Status` refers to it.
"""

from __future__ import annotations

from collections.abc import Mapping

Terms = Mapping[str, Mapping[str, str]]

# Vocabulary, then term, then description.
TERMS: Terms = {
    "Asset_Type": {
        "Execution_Config": "Configuration of an execution",
        "Runtime_Env": "What an execution ran on: host, user, installed packages",
        "Hydra_Config": "Configuration as Hydra composed it",
        "Deriva_Config": "Datasets, assets and workflow of an execution",
        "Metrics_File": "Measures that a training logged, one record for each epoch or step",
        "Execution_Metadata": "Anything about the circumstances of an execution",
        "Execution_Asset": "A file that an execution made",
        "File": "A file that is kept elsewhere, known by its address",
        "Input_File": "A file that an execution read",
        "Output_File": "A file that an execution wrote",
        "Model_File": "A trained model",
        "Notebook_Output": "A notebook with what its cells answered",
    },
    "Asset_Role": {
        "Input": "An execution used the asset",
        "Output": "An execution made the asset",
    },
    "Dataset_Type": {
        "Complete": "All records of a kind",
        "File": "Files as members",
        "Directory": "Stands for a folder whose files were added",
        "Training": "To train on",
        "Testing": "To measure the result on",
        "Validation": "To choose between settings while training",
        "Split": "Its members are the parts of a split",
        "Labeled": "Records whose labels are known",
        "Unlabeled": "Records whose labels are not known",
    },
    "Workflow_Type": {
        "Training": "Trains or tunes a model",
        "Testing": "Measures a model on data that it has not seen",
        "Prediction": "Applies a trained model to new data",
        "Feature_Creation": "Computes features from data that is there",
        "Visualization": "Draws data or results",
        "Analysis": "Evaluates data without training a model",
        "Ingest": "Brings data into the catalog",
        "Data_Cleaning": "Corrects, completes or filters data",
        "Dataset_Management": "Makes, splits or versions datasets",
        "Annotation": "People, or programs for them, judge or label records",
    },
    "Execution_Status": {
        "Initializing": "Inputs are being fetched",
        "Created": "Recorded; work has not begun",
        "Pending": "Waits for its turn",
        "Running": "At work",
        "Stopped": "Work is done; outputs are not in the catalog yet",
        "Pending_Upload": "Outputs are on their way into the catalog",
        "Uploaded": "Done; all outputs are in the catalog",
        "Completed": "Done; all outputs are in the catalog (the release's word for Uploaded)",
        "Failed": "Ended with an error",
        "Aborted": "Given up by whoever ran it",
    },
}

FOUND_STATUS = "In use here before statuses were terms"
