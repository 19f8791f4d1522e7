"""The Kubernetes manifests, read and validated, and a pod run as a node would run it."""


import kubernetes_validate
import yaml
from places import DEPLOY, ground

KUBERNETES = DEPLOY / "kubernetes"
FILES = sorted(set(KUBERNETES.glob("*.yaml")) - {KUBERNETES / "kustomization.yaml"})
# The oldest and the newest release of Kubernetes that the manifests are for.
VERSIONS = ("1.29", "1.37")


def read(file):
    """The resources of one file."""
    return [resource for resource in yaml.safe_load_all(file.read_text()) if resource]


def every():
    """All resources, by kind and name."""
    return {(resource["kind"], resource["metadata"]["name"]): resource for file in FILES for resource in read(file)}


def validate(resource):
    """Fails where a resource isn't what its schema says, or has what the schema doesn't know."""
    for version in VERSIONS:
        kubernetes_validate.validate(resource, version, strict=True)


def pod_of(resource):
    """The pod that a workload starts."""
    if resource["kind"] == "Pod":
        return resource["spec"]
    if resource["kind"] == "CronJob":
        return pod_of({**resource["spec"]["jobTemplate"], "kind": "Job"})
    return resource["spec"]["template"]["spec"]


def containers(pod):
    """Its containers in the order in which they run."""
    return [*(pod.get("initContainers") or []), *pod["containers"]]


def mounted(pod, container):
    """What is mounted into a container: the volumes themselves by their paths."""
    volumes = {volume["name"]: {**volume, "name": None} for volume in pod["volumes"]}
    return {mount["mountPath"]: (volumes[mount["name"]], mount.get("readOnly")) for mount in container["volumeMounts"]}


def secrets_of(pod, container):
    """The Secrets that a container has files of."""
    found = set()
    for volume, _ in mounted(pod, container).values():
        sources = volume.get("projected", {}).get("sources", [])
        found |= {source["secret"]["name"] for source in sources if "secret" in source}
        found |= {volume["secret"]["secretName"]} if "secret" in volume else set()
    return found


def accepted(arguments):
    """Whether `cabinwatch-ground` takes this command line: what is wrong is said before the help is shown."""
    return ground(*arguments, "--help", expect=None).returncode == 0


def options(pod, container, volumes):
    """How podman runs a container as Kubernetes would: same user, rights, memory, variables and mounts. `volumes` are
    the folders that stand for the pod's volumes."""
    context, narrow = pod["securityContext"], container["securityContext"]
    found = ["--user", f"{context['runAsUser']}:{context['runAsGroup']}"]
    found += ["--read-only", "--read-only-tmpfs=false"] if narrow["readOnlyRootFilesystem"] else []
    found += [] if narrow["allowPrivilegeEscalation"] else ["--security-opt", "no-new-privileges"]
    found += [part for right in narrow["capabilities"]["drop"] for part in ("--cap-drop", right.lower())]
    found += ["--memory", container["resources"]["limits"]["memory"].replace("i", "").lower()]
    for variable in container.get("env", []):
        found += ["--env", f"{variable['name']}={variable['value']}"]
    for mount in container["volumeMounts"]:
        how = "ro" if mount.get("readOnly") else "rw"
        found += ["--volume", f"{volumes[mount['name']]}:{mount['mountPath']}:{how}"]
    return found
