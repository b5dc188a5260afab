"""What makes and unmakes versions: stage, publish, fold, roll back, sweep, import."""
