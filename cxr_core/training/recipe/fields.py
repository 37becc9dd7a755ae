"""What each field of a recipe does, in a sentence, in the groups and the order that a form shows them in."""

COMMON = "Common"

WORDS: dict[str, dict[str, str]] = {
    COMMON: {
        "epochs": "How often every training film is seen.",
        "batch_size": "Films in one step, over all processes.",
        "learning_rate": "How far one step goes; of the whole network, or of its backbone where the head has its own.",
        "input_side": "Pixels of the square that each film is put on.",
        "balance": "none draws films as they come; oversample draws positive ones more often.",
        "early_stopping_patience": "Epochs without a better validation figure after which it ends; empty = never.",
        "seed": "Decides all chance: the same seed gives the same run, on a CPU to the last bit.",
    },
    "What it is called": {
        "name": "The recipe's name; runs are named after it.",
        "model": "The name of the model that it makes. One of the same name that is installed would be replaced.",
        "summary": "What it does, in a sentence.",
        "source": "Where it comes from, and in what it differs from its source.",
    },
    "What is learnt, from whom": {
        "findings": "What the model answers.",
        "auxiliary_findings": "Learnt beside them, then dropped.",
        "ratio_weight": "Weight in the loss of the cardiothoracic ratio, as the installed segmenter measures it on the "
        "training films; learnt beside the findings, then dropped. 0 = not learnt.",
        "region_weight": "Weight in the loss of evidence outside the heart (cardiomegaly) or outside heart and lungs "
        "(others), as the installed segmenter outlines them on the training films. 0 = evidence may lie anywhere.",
        "structures": "What it outlines instead of findings: heart, left_lung and right_lung, or nothing.",
        "drawings": "Drawn chests that join the training films of a recipe that outlines.",
        "population": "For whom the model is, in words.",
        "population_age_min": "Youngest patient learnt from and read, in years; empty = no limit.",
        "population_age_max": "Oldest patient learnt from and read, in years; empty = no limit.",
        "split": "given takes the data's own parts; 80:08:12 divides by patient into train, validation and test; "
        "fold:2/5 takes the second of five as test.",
        "split_seed": "Decides alone which patients fall into which part, so that runs of different seeds can share a "
        "division; empty = the seed decides that too.",
        "validation_share": "Share of the training patients that validation is carved from, where it is carved.",
        "gate_share": "Share of the training patients kept aside, the same ones in every run, to compare this model "
        "with another on films that neither has learnt from; 0 = none.",
    },
    "Network": {
        "backbone": "plain_cnn, or any convolutional network of timm by its name.",
        "backbone_arguments": 'Passed to the backbone, as TOML, such as pad_type = "same".',
        "init": "Where the weights come from: scratch, imagenet, a safetensors file, or an installed model; "
        "backbone: before its name takes the backbone alone.",
        "head": "How the backbone's map becomes an answer.",
        "neck": "Channels of a 1 × 1 convolution before the head; empty = none.",
        "hidden": "Units of the fully connected layer of heads that have one (dense, attention).",
        "two_class": "The head gives two numbers for each finding; their difference is the logit.",
        "dropout": "Share of the features left out at random in each step.",
        "freeze": "backbone never trains the backbone, so that only the head learns.",
        "head_epochs": "Epochs at the beginning in which only the head is trained.",
    },
    "Films as input": {
        "channels": "1, or 3 for a backbone made for colour; the grey is then repeated.",
        "mean": "Subtracted from values in [0, 1].",
        "std": "What they are then divided by.",
        "equalisation": "Done to the film on the model's grid: none, histogram, or clahe (in tiles, limited).",
        "aspect": "How a film that is not square gets square: stretched, padded with black, or its middle cropped.",
    },
    "How it learns": {
        "optimizer": "Weight decay is decoupled with adamw, and L2 with adam and sgd.",
        "head_learning_rate": "The head's own learning rate; empty = the backbone's.",
        "weight_decay": "How strongly weights are pulled towards zero.",
        "schedule": "How the learning rate changes over the run.",
        "plateau_patience": "With plateau: epochs without a better validation loss before the learning rate falls.",
        "plateau_factor": "With plateau: what the learning rate is then multiplied with.",
        "monitor": "The validation figure that chooses the epoch and stops early.",
        "oversample_factor": "How much likelier a positive film is drawn; empty = until both classes are as likely.",
        "label_smoothing": "How far labels are moved from 0 and 1 towards the middle.",
        "finding_weight": "Weight of the findings in the loss; auxiliary ones weigh 1.",
        "ema_decay": "Decay of an exponential moving average of the weights, which is then measured; empty = none.",
        "precision": "auto takes bfloat16 on a CUDA device and float32 elsewhere.",
        "compile": "Has torch compile the network first: slower to begin, often faster after.",
        "checkpoint_every_steps": "Steps between checkpoints, besides one after every epoch.",
    },
    "Augmentation": {
        "augmentation.rotation_deg": "Turned by up to so many degrees, either way.",
        "augmentation.shift": "Moved by up to this share of the side.",
        "augmentation.zoom": "Scaled by a factor of up to exp(± this).",
        "augmentation.stretch": "Width and height scaled apart by a factor of up to exp(± this).",
        "augmentation.brightness": "Up to so much added to values in [0, 1], or taken away.",
        "augmentation.contrast": "Contrast changed by up to this share.",
        "augmentation.gamma": "Gamma of up to exp(± this).",
        "augmentation.low_resolution": "Share of films first shrunk by up to 3 and enlarged again.",
        "augmentation.flip": "Share of films mirrored. That moves the heart to the right and teaches a false anatomy.",
        "augmentation.border": "A border of one grey, up to this share of the film wide, on half of the films.",
        "augmentation.corner": "Share of films with an inverted box in a corner, as markers are.",
        "augmentation.veil": "An uneven white veil takes up to this share of the contrast away, on half of the films.",
    },
}
