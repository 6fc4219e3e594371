exports = () => ({ id: context.user.id, type: context.user.type, data: context.user.data, identities: context.user.identities.map((i) => i.provider_type), system: context.runningAsSystem() });
