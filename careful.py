from clipper.selection import ArmPolicy, Parameter


class Careful(ArmPolicy):
    """Asks a model the more rarely, the more often it was wrong of late."""

    name = "careful"
    parameters = {
        "floor": Parameter("number", 0.02, "least probability of each model", 0.0, 1.0),
        "power": Parameter("number", 8.0, "how much errors count", 1.0, 64.0),
    }
    per_arm = {"errors": 1.0, "seen": 2.0}

    def learn(self, state, known, observation):
        for index, loss, propensity in known:
            state["errors"][index] = 0.99 * state["errors"][index] + loss
            state["seen"][index] = 0.99 * state["seen"][index] + 1.0

    def probabilities(self, state):
        return [max(0.01, 1 - wrong / seen) ** self.power for wrong, seen in zip(state["errors"], state["seen"])]
