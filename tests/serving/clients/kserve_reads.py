"""python kserve_reads.py FILE: whether KServe knows an InferenceService's keys, and Kubernetes its containers."""

import sys
from pathlib import Path

import kubernetes_validate
import yaml
from kserve import V1beta1InferenceService, V1beta1InferenceServiceSpec, V1beta1PredictorSpec


def known(value, model):
    assert value.keys() <= set(model.attribute_map.values()), value.keys() - set(model.attribute_map.values())


given = yaml.safe_load(Path(sys.argv[1]).read_text())
known(given, V1beta1InferenceService)
known(given["spec"], V1beta1InferenceServiceSpec)
predictor = given["spec"]["predictor"]
known(predictor, V1beta1PredictorSpec)
pod = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": given["metadata"],
    "spec": {"containers": predictor["containers"]},
}
kubernetes_validate.validate(pod, "1.37", strict=True)
