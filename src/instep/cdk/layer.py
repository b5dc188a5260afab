"""The two layers every function stands on: locked dependencies, and our own library."""

from aws_cdk import AssetHashType
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from instep.cdk.packages import Packages


class Layers(Construct):
    """Made of the folders that packages.py prepared, without Docker.

    Two layers, because a change of our code is 0.1 MB to upload, and one of the lock 50.
    """

    def __init__(self, scope: Construct, id_: str, *, packages: Packages) -> None:
        super().__init__(scope, id_)
        dependencies = lambda_.LayerVersion(
            self,
            "Dependencies",
            description="instep/cdk/locked/lambda.txt, pruned",
            code=lambda_.Code.from_asset(
                str(packages.dependencies),
                # The folder's name is the hash of its source: no need to read 150 MB a synthesis.
                asset_hash_type=AssetHashType.CUSTOM,
                asset_hash=packages.dependencies.name,
            ),
        )
        library = lambda_.LayerVersion(
            self,
            "Library",
            description="instep, and the app's own packages",
            code=lambda_.Code.from_asset(str(packages.library)),
        )
        self.versions: list[lambda_.ILayerVersion] = [dependencies, library]
