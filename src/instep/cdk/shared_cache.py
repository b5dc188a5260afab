"""The file system of the storage modes efs and auto, and the network it needs: made only for them.

Who mounts a file system must be in a VPC. This one leads nowhere but to S3 and DynamoDB, by gateway
endpoints, which cost nothing: the functions that read packs call nothing else, and Lambda itself
carries their logs, metrics and traces (docs/adr/0011).
"""

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_efs as efs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from instep.cdk.nag import accept

MOUNT = "/mnt/instep"  # Lambda mounts below /mnt only
ZONES = 2
NOBODY = "1000"
NO_FLOW_LOG = (
    "No route leads out of this VPC: two gateway endpoints and NFS between two security groups are "
    "all that a log could show."
)
INTERFACES = (
    "The form the Lambda developer guide asks for: Lambda checks and uses these rights on "
    "interfaces it has yet to create; function code is denied them below."
)


class SharedCache(Construct):
    """An encrypted file system that only our roles, over TLS and through one access point, may use.

    It goes with the stack, whatever the config says: it holds copies of what lies in S3.
    """

    def __init__(self, scope: Construct, id_: str) -> None:
        super().__init__(scope, id_)
        self.vpc = self._network()
        self.security_group = ec2.SecurityGroup(
            self,
            "Functions",
            vpc=self.vpc,
            description="Instep: functions that read packs",
            allow_all_outbound=False,
        )
        self.security_group.add_egress_rule(
            ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "S3 and DynamoDB, by their gateway endpoints"
        )
        self._files = self._file_system()
        self._access_point = self._files.add_access_point(
            "Packs",
            path="/instep",
            posix_user=efs.PosixUser(uid=NOBODY, gid=NOBODY),
            create_acl=efs.Acl(owner_uid=NOBODY, owner_gid=NOBODY, permissions="700"),
        )

    def mount(self, role: iam.Role) -> lambda_.FileSystem:
        """Return the file system for a function of this role, which is given the rights for it."""
        self._allow_interfaces(role)
        through = {"elasticfilesystem:AccessPointArn": self._access_point.access_point_arn}
        return lambda_.FileSystem(
            arn=self._access_point.access_point_arn,
            local_mount_path=MOUNT,
            connections=self._files.connections,
            dependency=[self._files.mount_targets_available],
            policies=[
                iam.PolicyStatement(
                    actions=["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
                    resources=[self._files.file_system_arn],
                    conditions={"StringEquals": through},
                )
            ],
        )

    def _network(self) -> ec2.Vpc:
        vpc = ec2.Vpc(
            self,
            "Vpc",
            max_azs=ZONES,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Functions", subnet_type=ec2.SubnetType.PRIVATE_ISOLATED
                )
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDB": ec2.GatewayVpcEndpointOptions(
                    service=ec2.GatewayVpcEndpointAwsService.DYNAMODB
                ),
            },
        )
        accept(vpc, "AwsSolutions-VPC7", NO_FLOW_LOG)
        return vpc

    def _file_system(self) -> efs.FileSystem:
        """With a policy of its own EFS no longer admits who has no IAM identity."""
        return efs.FileSystem(
            self,
            "Files",
            vpc=self.vpc,
            encrypted=True,
            enable_automatic_backups=False,
            throughput_mode=efs.ThroughputMode.ELASTIC,
            removal_policy=RemovalPolicy.DESTROY,
            file_system_policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        effect=iam.Effect.DENY,
                        principals=[iam.AnyPrincipal()],
                        actions=["*"],
                        conditions={"Bool": {"aws:SecureTransport": "false"}},
                    )
                ]
            ),
        )

    def _allow_interfaces(self, role: iam.Role) -> None:
        """Let Lambda, and not the function's code, put a network interface into the VPC."""
        stack = Stack.of(self)
        everything = f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}:*/*"
        changes = [
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:AssignPrivateIpAddresses",
            "ec2:UnassignPrivateIpAddresses",
        ]
        role.add_to_policy(iam.PolicyStatement(actions=changes, resources=[everything]))
        role.add_to_policy(
            iam.PolicyStatement(
                actions=["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"], resources=["*"]
            )
        )
        code = f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:*"
        role.add_to_policy(
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=changes,
                resources=[everything],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": code}},
            )
        )
        finding = "Resource::arn:<AWS::Partition>:ec2:<AWS::Region>:<AWS::AccountId>:*/*"
        accept(role, f"AwsSolutions-IAM5[{finding}]", INTERFACES)
