"""Storage modes in the template: a file system only where it is chosen, closed to all but us."""

import json
from pathlib import Path
from typing import Any

import pytest

from instep.cdk.packages import Packages
from tests.infrastructure.synthesis import Synthesized, synthesize, unversioned
from tests.infrastructure.test_permissions import allowed
from tests.infrastructure.test_template import lint

NETWORK = ("AWS::EC2::", "AWS::EFS::")


@pytest.fixture(scope="module")
def efs(packages: Packages, tmp_path_factory: pytest.TempPathFactory) -> Synthesized:
    """The app with storageMode efs."""
    return synthesize(packages, tmp_path_factory.mktemp("cdk.out"), storageMode="efs")


def kinds(app: Synthesized) -> set[str]:
    return {resource["Type"] for resource in app.template["Resources"].values()}


def functions(app: Synthesized) -> dict[str, dict[str, Any]]:
    found = app.resources("AWS::Lambda::Function")
    return {
        name.removeprefix("Functions").partition("Function")[0]: one for name, one in found.items()
    }


def who_mounts(app: Synthesized) -> set[str]:
    return {name for name, one in functions(app).items() if "FileSystemConfigs" in one}


def test_nothing_of_it_unless_chosen(app: Synthesized, packages: Packages, tmp_path: Path) -> None:
    auto = synthesize(packages, tmp_path, storageMode="auto")
    for each, mode in ((app, "s3"), (auto, "auto")):
        assert not [kind for kind in kinds(each) if kind.startswith(NETWORK)]
        for name, function in functions(each).items():
            assert not {"VpcConfig", "FileSystemConfigs"} & set(function), name
            assert "CHROMA_CACHE_ROOT" not in function["Environment"]["Variables"]
        variables = functions(each)["ApplyUpdates"]["Environment"]["Variables"]
        assert variables["CHROMADB_STORAGE_MODE"] == mode


def test_auto_with_a_file_system_differs_in_the_mode_alone(
    efs: Synthesized, packages: Packages, tmp_path: Path
) -> None:
    auto = synthesize(packages, tmp_path, storageMode="auto", fileSystem="true")
    text = json.dumps(unversioned(efs))
    assert '"CHROMADB_STORAGE_MODE": "efs"' in text
    assert json.loads(text.replace('MODE": "efs"', 'MODE": "auto"')) == unversioned(auto)


def test_who_reads_packs_mounts_and_nobody_else_is_in_the_vpc(efs: Synthesized) -> None:
    readers = {
        name
        for name, one in functions(efs).items()
        if "CHROMADB_STORAGE_MODE" in one["Environment"]["Variables"]
    }
    assert "ApplyUpdates" in readers
    assert who_mounts(efs) == readers
    for name, one in functions(efs).items():
        assert ("VpcConfig" in one) is (name in readers), name
        if name in readers:
            (mount,) = one["FileSystemConfigs"]
            assert one["Environment"]["Variables"]["CHROMA_CACHE_ROOT"] == mount["LocalMountPath"]
            assert mount["LocalMountPath"].startswith("/mnt/")
            assert len(one["VpcConfig"]["SubnetIds"]) == 2


def test_a_function_waits_for_the_mount_targets_of_its_zones(efs: Synthesized) -> None:
    targets = set(efs.resources("AWS::EFS::MountTarget"))
    assert len(targets) == 2
    for name, resource in efs.template["Resources"].items():
        if "FileSystemConfigs" in resource.get("Properties", {}):
            assert targets <= set(resource["DependsOn"]), name


def test_the_network_leads_to_s3_and_dynamodb_only(efs: Synthesized) -> None:
    forbidden = {"NatGateway", "InternetGateway", "EIP", "TransitGatewayAttachment"}
    assert not {kind.rpartition("::")[2] for kind in kinds(efs)} & forbidden
    endpoints = efs.resources("AWS::EC2::VPCEndpoint").values()
    assert {one["VpcEndpointType"] for one in endpoints} == {"Gateway"}
    services = {one["ServiceName"]["Fn::Join"][1][-1] for one in endpoints}
    assert services == {".s3", ".dynamodb"}
    assert not efs.resources("AWS::EC2::Route")
    for subnet in efs.resources("AWS::EC2::Subnet").values():
        assert subnet["MapPublicIpOnLaunch"] is False


def test_nfs_is_open_between_the_two_groups_and_nothing_comes_in_otherwise(
    efs: Synthesized,
) -> None:
    rules = list(efs.resources("AWS::EC2::SecurityGroupIngress").values())
    assert [(rule["FromPort"], rule["ToPort"]) for rule in rules] == [(2049, 2049)]
    assert "SourceSecurityGroupId" in rules[0]
    for group in efs.resources("AWS::EC2::SecurityGroup").values():
        assert "SecurityGroupIngress" not in group


def test_files_are_encrypted_and_taken_by_nobody_without_tls_and_a_role(efs: Synthesized) -> None:
    files = efs.one("AWS::EFS::FileSystem")
    assert files["Encrypted"] is True
    (denied,) = files["FileSystemPolicy"]["Statement"]
    assert denied["Effect"] == "Deny"  # and nothing is allowed to who has no role
    assert denied["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    point = efs.one("AWS::EFS::AccessPoint")
    assert point["PosixUser"]["Uid"] != "0"
    assert point["RootDirectory"]["CreationInfo"]["Permissions"] == "700"
    taken = [
        (name, statement)
        for name, policy in efs.resources("AWS::IAM::Policy").items()
        for statement in policy["PolicyDocument"]["Statement"]
        if "elasticfilesystem" in json.dumps(statement["Action"])
    ]
    assert {name.removeprefix("Functions").partition("Role")[0] for name, _ in taken} == (
        who_mounts(efs)
    )
    for _, statement in taken:
        assert sorted(statement["Action"]) == [
            "elasticfilesystem:ClientMount",
            "elasticfilesystem:ClientWrite",
        ]
        assert "elasticfilesystem:AccessPointArn" in statement["Condition"]["StringEquals"]
        assert statement["Resource"] != "*"


def test_code_of_a_function_may_not_use_its_right_to_make_interfaces(efs: Synthesized) -> None:
    for name in who_mounts(efs):
        policy = efs.one("AWS::IAM::Policy", f"Functions{name}Role")["PolicyDocument"]
        changing = [
            (one["Effect"], sorted(one["Action"]), one["Resource"], one.get("Condition"))
            for one in policy["Statement"]
            if "ec2:CreateNetworkInterface" in one["Action"]
        ]
        (allow, deny) = sorted(changing, key=lambda one: one[0])
        assert (allow[0], deny[0]) == ("Allow", "Deny")
        assert allow[1:3] == deny[1:3]
        assert list(deny[3]["ArnLike"]) == ["lambda:SourceFunctionArn"]


def test_a_star_as_resource_only_where_aws_names_none(efs: Synthesized) -> None:
    described = {"ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"}
    tracing = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
    for name, actions, resources in allowed(efs):
        if name.startswith("Functions") and "*" in resources:
            assert actions <= described | tracing, name


def test_nag_and_the_linter_are_content(efs: Synthesized) -> None:
    assert efs.findings == ()
    lint(efs)
