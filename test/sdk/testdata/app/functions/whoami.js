exports = function () { return { id: context.user.id, type: context.user.type, custom: context.user.custom_data }; };
